"""Token shards through the engine: verify counts them again and finds damage; mixes and exports read them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.cli import main
from curate.commands.verify import verify
from curate.engine.store import Store
from curate.report.mix import mix_table
from curate.report.page import render
from curate.stage import MapStage, Shared, with_column
from tests.curate.engine.test_run import carry_out, job, published

STAGES = """
  - extract: {engine: resiliparse}
  - deduplicate: {by: text}
  - mix: {strategy: temperature, temperature: 0.5, total_tokens: 9000, max_epochs: 3, materialise: true}
  - tokenize: {vocabulary: 400, validation: 0.2, test: 0.2, pack: 128}
"""


class ByHost(MapStage):
    """A domain of each document by its host."""

    name = "by_host"
    reads = ("url",)

    def writes(self) -> tuple[str, ...]:
        return ("domain",)

    def edit(self, batch: pa.RecordBatch, shared: Shared) -> pa.RecordBatch:
        odd = ["odd" if int(url[11]) % 2 else "even" for url in batch.column("url").to_pylist()]
        return with_column(batch, "domain", pa.array(odd, pa.string()))


@pytest.fixture
def done(tmp_path: Path, crawl: Path) -> Path:
    output = tmp_path / "runs" / "tokens"
    carry_out(job(tmp_path, str(output), STAGES, more=(ByHost(ByHost.Parameters()),)))
    return output


def test_a_run_verifies_from_warc_to_shard_and_the_same_again(done: Path, tmp_path: Path) -> None:
    findings = verify(Store(str(done)))
    assert findings.wrong == []
    assert findings.counted["ledger"] == {"rows": 79, "kept": 78, "dropped": 1, "failed": 0}
    assert sum(findings.counted[f"tokens, {s}"]["documents"] for s in ("train", "validation", "test")) == 78
    dataset = json.loads((done / "tokens/dataset.json").read_text())
    mix = json.loads((done / "mix.json").read_text())
    assert set(dataset["splits"]["train"]) == set(dataset["mix"]) == {"even", "odd"}
    assert sum(e["tokens"] for e in mix["domains"].values()) == mix["total_tokens"] == 9000
    again = carry_out(job(tmp_path, str(tmp_path / "b" / "run"), STAGES, more=(ByHost(ByHost.Parameters()),)))
    tokens = {k: v for k, v in published(again).items() if k.startswith(("tokens/", "mix")) and "dataset" not in k}
    assert tokens == {k: v for k, v in _manifest(done).items() if k in tokens} and len(tokens) == 11


def _manifest(run: Path) -> dict[str, str]:
    return {e["path"]: e["sha256"] for e in json.loads((run / "manifest.json").read_text())["files"]}


def _writable(file: Path) -> Path:
    """The file as one of its own, since a run's files are links to its phases'."""
    data = file.read_bytes()
    file.unlink()
    file.write_bytes(data)
    return file


def _flip(run: Path) -> None:
    file = _writable(run / "tokens/train/even-00000.parquet")
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)


def _lose_a_row_group(run: Path) -> None:
    """Rewrites a shard without its last rows, and mends the hash, size and rows in the manifest."""
    file = _writable(run / "tokens/train/odd-00000.parquet")
    table = pq.ParquetFile(file).read()
    pq.write_table(table.slice(0, len(table) - 3), file)
    _mend(run, "tokens/train/odd-00000.parquet", len(table) - 3)


def _mend(run: Path, path: str, rows: int) -> None:
    import hashlib

    manifest = json.loads((run / "manifest.json").read_text())
    data = (run / path).read_bytes()
    others = [e for e in manifest["files"] if e["path"] != path]
    mended = {"path": path, "rows": rows, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (run / "manifest.json").write_text(json.dumps(manifest | {"files": [*others, mended]}))


def _duplicate_a_shard(run: Path) -> None:
    source, path = run / "tokens/train/odd-00000.parquet", "tokens/train/odd-00001.parquet"
    shutil.copyfile(source, run / path)
    _mend(run, path, pq.read_metadata(source).num_rows)
    dataset = json.loads((run / "tokens/dataset.json").read_text())
    dataset["splits"]["train"]["odd"]["files"].append("train/odd-00001.parquet")
    _writable(run / "tokens/dataset.json").write_text(json.dumps(dataset))
    _mend(run, "tokens/dataset.json", 0)


def _forget_a_ledger_row(run: Path) -> None:
    path = next(p for p in sorted(_manifest(run)) if p.startswith("ledger/kept"))
    table = pq.ParquetFile(_writable(run / path)).read()
    pq.write_table(table.slice(1), run / path)
    _mend(run, path, len(table) - 1)


def _lose_a_file(run: Path) -> None:
    (run / "tokens/train/odd-00000.parquet").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_flip, "tokens/train/even-00000.parquet: sha256"),
        (_lose_a_row_group, "tokens, train/odd: documents"),
        (_duplicate_a_shard, "is in tokens/train/odd-00000.parquet too"),
        (_forget_a_ledger_row, "documents that the ledger does not call kept"),
        (_lose_a_file, "listed in manifest.json, and not there"),
    ],
)
def test_verify_finds_damage(done: Path, damage: Any, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    damage(done)
    assert main(["verify", str(done)]) == 1
    assert message in capsys.readouterr().out


def test_another_mix_needs_no_rerun_and_can_be_applied(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mix", str(done), "--strategy", "weights", "--weights", "even=0.25", "odd=0.75", "--total-tokens",
                 "8001", "--json"]) == 0  # fmt: skip
    content = json.loads(capsys.readouterr().out)
    assert {d: e["tokens"] for d, e in content["domains"].items()} == {"even": 2000, "odd": 6001}
    assert main(["mix", str(done), "--strategy", "uniform", "--apply"]) == 0
    applied = json.loads((done / "tokens/dataset.json").read_text())["mix"]
    assert applied == pytest.approx({"even": 0.5, "odd": 0.5}, abs=1e-4)
    assert verify(Store(str(done))).wrong == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strategy", "weights", "--weights", "even=0.5"], "sum to 0.5, not to 1"),
        (["--strategy", "weights", "--weights", "even"], "allowed: DOMAIN=SHARE"),
        (["--strategy", "weights", "--weights", "wrong=1"], "no domain 'wrong'; domains with tokens: even, odd"),
        (["--total-tokens", "99999999"], "no more than"),
        (["--strategy", "best"], "--strategy: "),
    ],
)
def test_a_wrong_mix_is_an_error_of_use(
    done: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mix", str(done), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_the_report_shows_tokens_before_and_after_and_what_the_cap_did(done: Path) -> None:
    assert main(["mix", str(done), "--strategy", "weights", "--weights", "even=0.1", "odd=0.9", "--max-epochs", "1.2",
                 "--apply"]) == 0  # fmt: skip
    domains = json.loads((done / "mix.json").read_text())["domains"]
    table = mix_table(Store(str(done)))
    assert table is not None and table["capped"] == ["odd"]
    rows = {row["domain"]: row for row in table["rows"]}
    for name, entry in domains.items():
        assert (rows[name]["before"], rows[name]["after"]) == (entry["available_tokens"], entry["tokens"])
    assert rows["odd"]["epochs"] == pytest.approx(1.2, abs=1e-3)
    assert sum(row["after"] for row in rows.values()) == table["after"]
    assert table["held_back"] == pytest.approx(rows["even"]["moved"], abs=1)
    assert table["held_back"] == pytest.approx(0.9 * table["after"] - rows["odd"]["after"], abs=1)
    html = render(Store(str(done)))
    section = html[html.index("<h2>Mix</h2>") : html.index("</table>", html.index("<h2>Mix</h2>"))]
    for row in rows.values():
        assert f"{row['after']:,}".replace(",", "\u202f") in section and f"{row['epochs']:.2f}" in section
    assert "tokens of odd; the other domains have them by their shares" in section


def _train(run: Path) -> list[dict[str, Any]]:
    return [row for f in sorted((run / "tokens/train").iterdir()) for row in pq.ParquetFile(f).read().to_pylist()]


def test_nanogpt_reads_all_tokens(done: Path, tmp_path: Path) -> None:
    assert main(["export", str(done), "--to", "nanogpt", "--output", str(tmp_path / "out")]) == 0
    ids = np.memmap(tmp_path / "out/train.bin", dtype=np.uint16, mode="r")
    assert ids.tolist() == [t for row in _train(done) for t in row["tokens"]]


def test_megatron_files_are_those_that_datatrove_writes(done: Path, tmp_path: Path) -> None:
    assert main(["export", str(done), "--to", "megatron", "--output", str(tmp_path / "out")]) == 0
    writer = pytest.importorskip("datatrove.pipeline.tokens.megatron_tokenizer")
    from datatrove.io import get_datafolder

    theirs = writer.MegatronTokenizedFile(get_datafolder(str(tmp_path / "theirs")), "train", token_size=2)
    for row in _train(done):
        theirs.write(row["tokens"])
    theirs.close()
    found = {p.suffix: p.read_bytes() for p in (tmp_path / "theirs").iterdir()}
    assert (tmp_path / "out/train.bin").read_bytes() == found[".bin"]
    assert (tmp_path / "out/train.idx").read_bytes() == found[".idx"]


def test_hugging_face_datasets_finds_the_splits(done: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    assert main(["export", str(done), "--to", "huggingface", "--output", str(tmp_path / "out")]) == 0
    read = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert set(read) == {"train", "validation", "test"}
    assert read["train"]["tokens"][:] == [row["tokens"] for row in _train(done)]


def test_the_tokenizer_report_measures_the_run(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beside = str(done / "tokens/tokenizer.json")
    assert main(["tokenizer", "report", str(done), "--beside", beside, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["tokenizers"]["this run"] == report["tokenizers"]["tokenizer.json"]
    assert set(report["tokenizers"]["this run"]) == {"all", "domain even", "domain odd"}
    assert report["vocabulary"]["size"] <= 400 and report["vocabulary"]["unused"] > 0
    assert main(["tokenizer", "report", str(done)]) == 0
