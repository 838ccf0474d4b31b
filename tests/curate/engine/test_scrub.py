"""A secret planted in a page is nowhere in a run's folder once `pii` replaces: not in what was dropped or failed
before it was reached, not in titles, URLs, errors, the ledger or the report."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from curate.engine.executor import InlineExecutor, RayExecutor
from curate.engine.run import UnhiddenStoreError
from curate.engine.scrub import ScrubTask, Use, run_scrub_task, scrub, uses
from curate.engine.store import FileEntry
from curate.report.page import write_report
from curate.sources.write import WarcFile
from curate.stage import MapStage, Outcome, Scrubber, Shared, StageParameters
from tests.curate.engine.conftest import DATE, page
from tests.curate.engine.test_run import carry_out, job, published

# Made up here, of the documented form; in two pieces, so that no scanner of repositories takes it for a real one.
KEY = "AKIA" + "Q3EGRZ7LMX2K5TNB"
MAIL = "jane.doe@" + "corp-mail.example.org"
PLANTED = (KEY, MAIL)
STAGES = """
  - url_filter: {lists: none, words: none, own_words: [dropped]}
  - extract: {engine: resiliparse}
  - language: {keep: [en], min_score: 0.5}
  - deduplicate: {by: text}
  - pii: {mode: MODE}
  - gopher_quality: {min_words: 50}
"""


class Repeating(MapStage):
    """Raises on a page that says so, quoting its text."""

    name = "repeating"

    def process(self, batch: pa.RecordBatch, shared: Shared) -> Outcome:
        for html in batch.column("html").to_pylist():
            if "quote me" in html:
                at = html.index("quote me")
                raise ValueError(f"cannot bear {html[at : at + 200]!r}")
        return Outcome(batch)

    reads = ("html",)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A crawl with the secrets in a kept page, in titles and URLs, in pages that the URL filter, the language, the
    deduplication and a filter behind `pii` drop, and in one that makes a stage raise."""
    told = f"<p>Our key is {KEY}, write to {MAIL} about it.</p>"
    german = "<p>" + "Das ist ein Satz über den Fluss und die alte Mühle am Markt. " * 20 + "</p>"
    pages = {
        "http://kept.example/1": page(1).replace("</h1>", f"</h1>{told}"),
        f"http://kept.example/2?key={KEY}&to={MAIL}": page(2),
        f"http://kept.example/3?to={MAIL.replace('@', '%40')}&next=%2Fa%3Fkey%3D{KEY}": page(3),
        "http://kept.example/4": page(4).replace("<title>Page", f"<title>{KEY} {MAIL}"),
        f"http://dropped.example/5/{KEY}": page(5).replace("</h1>", f"</h1>{told}"),
        f"http://german.example/6/{MAIL}": f"<html><title>{MAIL}</title><body>{told}{german}</body></html>",
        f"http://twin.example/7/{KEY}": page(1).replace("</h1>", f"</h1>{told}"),
        f"http://short.example/8/{KEY}": f"<html><title>{KEY}</title><body><p>The mill of the river and the bridge "
        f"that we have to be with.</p>{told}</body></html>",
        f"http://raises.example/9/{KEY}": page(9).replace("</h1>", f"</h1><p>quote me\n{KEY}\n{MAIL}</p>"),
        "http://clean.example/10": page(10),
    }
    folder = tmp_path / "crawl"
    folder.mkdir()
    with (folder / "0.warc.gz").open("wb") as file:
        warc = WarcFile(file)
        warc.info("0.warc.gz", {"software": "tests"}, record_id="<urn:uuid:info>", date=DATE)
        for number, (url, html) in enumerate(pages.items()):
            warc.response(
                url, 404 if number == 11 else 200, [("Content-Type", "text/html; charset=utf-8")], html.encode(),
                record_id=f"<urn:uuid:{number}>", date=DATE,
            )  # fmt: skip
        warc.response(
            f"http://kept.example/missing/{KEY}", 404, [("Content-Type", "text/html")], b"gone",
            record_id="<urn:uuid:gone>", date=DATE,
        )  # fmt: skip
    return tmp_path


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    return [each for item in value for each in strings(item)] if isinstance(value, list) else []


def leaks(folder: Path) -> list[str]:
    """Files of a folder that hold a secret, as bytes or as a value of a Parquet file, percent-encoded or not."""
    found = []
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        data = file.read_bytes()
        values = strings(pq.read_table(pa.BufferReader(data)).to_pylist()) if file.suffix == ".parquet" else []
        whole = unquote("\n".join([data.decode("latin-1"), *values]))
        found += [f"{file.relative_to(folder)}: {secret[:4]}…" for secret in PLANTED if secret in unquote(whole)]
    return found


@pytest.mark.parametrize("mode", ["replace", "redact"])
def test_a_planted_secret_is_in_no_file_of_the_run(planted: Path, mode: str) -> None:
    output = planted / "runs" / "one"
    what = job(planted, str(output), STAGES.replace("MODE", mode), more=(Repeating(StageParameters()),))
    result = carry_out(what)
    write_report(str(output))
    counts = result.manifest["counts"]
    assert counts["kept"] >= 5 and counts["failed"] == 1 and counts["skipped"] == {"warcinfo": 1, "status_404": 1}
    assert set(counts["dropped"]) == {"url_filter", "language", "deduplicate_text", "gopher_quality"}
    assert leaks(planted / "runs" / ".phases"), "the secrets were never there, so this test says nothing"
    assert leaks(output) == []


def test_annotated_personal_data_stays_where_it_was(planted: Path) -> None:
    output = planted / "runs" / "one"
    carry_out(job(planted, str(output), STAGES.replace("MODE", "annotate"), more=(Repeating(StageParameters()),)))
    assert any(name.startswith("documents/") for name in leaks(output))


def test_the_manifest_tells_the_scrubbed_files_and_a_second_run_does_nothing(planted: Path) -> None:
    output = planted / "runs" / "one"
    what = job(planted, str(output), STAGES.replace("MODE", "replace"), more=(Repeating(StageParameters()),))
    carry_out(what)
    for entry in json.loads((output / "manifest.json").read_text())["files"]:
        data = (output / entry["path"]).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (entry["sha256"], entry["bytes"])
        if entry["path"].endswith(".parquet"):
            assert pq.read_metadata(pa.BufferReader(data)).num_rows == entry["rows"]
    assert carry_out(what).did_nothing


def test_a_phase_store_in_the_folder_of_a_run_that_hides_something_is_refused(planted: Path) -> None:
    output = planted / "runs" / "one"
    what = job(planted, str(output), STAGES.replace("MODE", "replace"), set=[f"store={output}/phases"])
    with pytest.raises(UnhiddenStoreError, match="name a folder outside"):
        carry_out(what)


class Hiding(MapStage):
    """Hides the word `secret` from texts and from all else."""

    name = "hiding"
    reads = ("url",)

    def scrubber(self) -> Scrubber:
        return lambda values: pc.replace_substring(values, "secret", "***")

    def scrubbed(self) -> tuple[str, ...]:
        return ("text",)


class Copying(MapStage):
    """Writes the text anew."""

    name = "copying"

    def writes(self) -> tuple[str, ...]:
        return ("text",)


def test_ray_and_this_process_scrub_to_the_same_bytes(tmp_path: Path, crawl: Path) -> None:
    with (crawl / "2.warc.gz").open("wb") as file:
        warc = WarcFile(file)
        for number in range(3):
            url = f"http://secret{number}.example/%73ecret"
            html = page(90 + number).replace("river", "secret")
            warc.response(
                url, 200, [("Content-Type", "text/html")], html.encode(), record_id=f"<urn:uuid:s{number}>", date=DATE
            )
    hiding = Hiding(StageParameters())
    inline = carry_out(job(tmp_path, str(tmp_path / "a" / "run"), more=(hiding,)), InlineExecutor)
    rayed = carry_out(job(tmp_path, str(tmp_path / "b" / "run"), more=(hiding,)), lambda: RayExecutor(workers=2))
    assert published(inline) == published(rayed)
    whole = strings([pq.read_table(file).to_pylist() for file in (tmp_path / "a" / "run").rglob("*.parquet")])
    assert any("***" in text for text in whole)
    linked = [file for file in (tmp_path / "a" / "run" / "documents").iterdir() if file.stat().st_nlink > 1]
    assert len(linked) == 2, "files in which nothing is found are links"


@pytest.mark.parametrize("hits", [[], [0], [600], [599, 999], [255, 256, 700]])
@pytest.mark.parametrize("group", [100, 1000])
def test_all_rows_of_a_file_come_through_in_their_order_wherever_the_first_find_is(
    tmp_path: Path, hits: list[int], group: int
) -> None:
    texts = [f"row {number}" + " secret" * (number in hits) for number in range(1000)]
    table = pa.table({"id": [str(number) for number in range(1000)], "url": texts, "n": pa.array(range(1000))})
    (tmp_path / "store").mkdir()
    pq.write_table(table, tmp_path / "store" / "a.parquet", row_group_size=group)
    entry = FileEntry("a.parquet", 1000, 0, "")
    use = Use(Hiding(StageParameters()))
    task = ScrubTask(str(tmp_path / "store"), entry, str(tmp_path / "run"), "b.parquet", (use,), "key", 0)
    assert run_scrub_task(task).rows == 1000
    written = pq.read_table(tmp_path / "run" / "b.parquet")
    assert written.column("url").to_pylist() == [text.replace("secret", "***") for text in texts]
    assert written.drop("url").equals(table.drop("url"))
    assert ((tmp_path / "run" / "b.parquet").stat().st_nlink > 1) == (not hits)


def test_strings_deep_in_structs_and_lists_are_scrubbed_and_ids_and_measurements_are_not() -> None:
    rows = [
        {"id": "secret", "a": {"b": ["x", "my secret", None]}, "value": "secret 1", "threshold": "secret 2"},
        {"id": "2", "a": None, "value": "secret", "threshold": "0.5"},
        {"id": "3", "a": {"b": None}, "value": None, "threshold": None},
    ]
    batch = pa.RecordBatch.from_pylist(rows)
    use = Use(Hiding(StageParameters()))
    clean = scrub(batch, [use])
    assert clean.schema == batch.schema
    assert clean.to_pylist() == [
        {"id": "secret", "a": {"b": ["x", "my ***", None]}, "value": "*** 1", "threshold": "*** 2"},
        rows[1],
        rows[2],
    ]
    assert scrub(batch.slice(1), [use]).to_pylist() == rows[1:]


def test_what_percent_signs_and_escapes_hide_is_found() -> None:
    values = ["http://x.example/%73ecret?a=%20", "100%25 sure", "ValueError: 'a\\nsecret'", "%2573%65cret", None]
    clean = scrub(pa.RecordBatch.from_pydict({"url": values}), [Use(Hiding(StageParameters()))]).to_pydict()["url"]
    assert clean == ["http://x.example/***?a= ", "100%25 sure", "ValueError: 'a ***'", "***", None]


def test_a_column_is_clean_only_behind_its_stage_and_until_it_is_written_again() -> None:
    hiding, copying = Hiding(StageParameters(), "h"), Copying(StageParameters(), "c")
    last = Copying(StageParameters(), "last")
    stages = [copying, hiding, last]
    assert [use.clean for use in uses(stages, "c")] == [frozenset()]
    assert [use.clean for use in uses(stages, "h")] == [frozenset()]
    assert [use.clean for use in uses(stages, "last")] == [frozenset({"text"})]
    assert [use.clean for use in uses(stages)] == [frozenset()]
    assert uses([copying, last]) == ()
