"""The Common Crawl client against a mirror that is served for real and misbehaves as mirrors do."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from warcio.archiveiterator import ArchiveIterator

from curate.sources import Documents, Failure, InputError, plan, read
from curate.sources.commoncrawl import choose, download_sample, dumps, find_dump, listing, shard_urls
from curate.sources.crawl_index import Query, Row, cdx, columnar, download_rows, fetch_row, parse_cdx
from curate.sources.members import members, next_record
from curate.sources.mirror import HttpMirror, MirrorError, StoreMirror, content_range, retry_after
from examples.miniweb.archive import CRAWL
from examples.miniweb.build import build
from examples.miniweb.serve import Fault, MiniServer


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("served")
    build(out, seed=3, pages=260)
    return out


@pytest.fixture
def server(web: Path) -> Iterator[MiniServer]:
    with MiniServer(web) as running:
        running.stall = 1.0
        yield running


def mirror_of(server: MiniServer, **options: object) -> HttpMirror:
    return HttpMirror(server.mirror, first_wait=0.01, **options)  # type: ignore[arg-type]


def warc_path(web: Path) -> str:
    return listing(StoreMirror(str(web)), CRAWL, "warc")[0]


# ---------------------------------------------------------------------------------------- ranges and retries


@pytest.mark.parametrize("kind", ["429", "503", "slowdown", "cut"])
def test_bytes_are_those_of_the_source_whatever_passes_in_between(server: MiniServer, web: Path, kind: str) -> None:
    path = warc_path(web)
    server.faults = [Fault(kind, "warc.gz", 3)]
    with_faults = mirror_of(server).read(path, 1000, 50_000)
    assert with_faults == (web / path).read_bytes()[1000:51_000]
    assert server.faults[0].count == 0


def test_a_cut_answer_is_gone_on_with_and_not_asked_for_again(server: MiniServer, web: Path) -> None:
    path = warc_path(web)
    server.faults = [Fault("cut", "warc.gz", 1)]
    assert mirror_of(server).read(path, 0, 40_000) == (web / path).read_bytes()[:40_000]
    ranges = [entry.range for entry in server.log]
    assert ranges == ["bytes=0-39999", "bytes=20000-39999"]


def test_a_stalled_connection_is_left_and_asked_anew(server: MiniServer, web: Path) -> None:
    server.faults = [Fault("stall", "warc.gz", 1)]
    path = warc_path(web)
    assert mirror_of(server, timeout=0.3).read(path, 0, 5000) == (web / path).read_bytes()[:5000]


def test_retry_after_is_waited_for(server: MiniServer, web: Path) -> None:
    waits: list[float] = []
    server.faults = [Fault("429", "warc.gz", 2)]
    mirror_of(server, sleep=waits.append).read(warc_path(web), 0, 10)
    assert waits == [0.05, 0.05]
    assert retry_after("7") == 7 and retry_after("1e9") == 600 and retry_after("soon") is None
    assert 0 <= (retry_after("Wed, 21 Oct 2065 07:28:00 GMT") or 0) <= 600


def test_waits_grow_and_giving_up_says_what_the_last_answer_was(server: MiniServer, web: Path) -> None:
    waits: list[float] = []
    server.faults = [Fault("503", "warc.gz", 99)]
    with pytest.raises(MirrorError, match=r"gave up after 5 attempts.*status 503"):
        mirror_of(server, sleep=waits.append, retries=5).read(warc_path(web), 0, 10)
    assert len(waits) == 4 and waits[3] > 3 * waits[0]


@pytest.mark.parametrize(
    ("kind", "start", "message"),
    [
        ("no_range", 500, "has no ranges"),
        ("wrong_range", 500, "was given"),
        ("lie_size", 0, "contradicts itself"),
    ],
)
def test_a_mirror_that_answers_something_else_is_refused(
    server: MiniServer, web: Path, kind: str, start: int, message: str
) -> None:
    mirror = mirror_of(server)
    path = warc_path(web)
    mirror.size(path)
    server.faults = [Fault(kind, "warc.gz", 1)]
    with pytest.raises(MirrorError, match=message):
        mirror.read(path, start, 100)


def test_the_end_of_a_file_gives_fewer_bytes_and_a_missing_file_is_named(server: MiniServer, web: Path) -> None:
    path = warc_path(web)
    size = (web / path).stat().st_size
    mirror = mirror_of(server)
    assert len(mirror.read(path, size - 10, 100)) == 10
    assert mirror.read(path, size + 5, 100) == b""
    with pytest.raises(FileNotFoundError, match="nothing-here"):
        mirror.read("nothing-here", 0, 10)
    with pytest.raises(MirrorError, match="readable Content-Range"):
        content_range("bytes all", "u")


# ---------------------------------------------------------------------------------------- dumps and samples


def test_dumps_are_listed_and_an_unknown_one_names_the_known(server: MiniServer) -> None:
    mirror = mirror_of(server)
    assert find_dump(mirror, "latest").id == CRAWL == dumps(mirror)[0].id
    with pytest.raises(InputError, match=CRAWL):
        find_dump(mirror, "CC-MAIN-1999-01")
    server.faults = [Fault("garbage", "collinfo", 1)]
    with pytest.raises(MirrorError, match="not a list of dumps"):
        dumps(mirror_of(server))


def test_the_choice_of_files_is_seeded() -> None:
    paths = [f"{number:05d}" for number in range(1000)]
    assert choose(paths, 10, 1) == choose(paths, 10, 1) != choose(paths, 10, 2)
    assert choose(paths, 5000, 1) == paths


def test_a_sample_is_cut_at_a_record_and_survives_faults(server: MiniServer, web: Path, tmp_path: Path) -> None:
    server.faults = [Fault("503", "", 2), Fault("cut", "warc.gz", 2), Fault("429", "warc.gz", 2)]
    size = (web / warc_path(web)).stat().st_size
    mirror = mirror_of(server)
    manifest = download_sample(mirror, CRAWL, tmp_path, megabytes=1, files=2, seed=1)
    assert manifest["failed"] == 0 and len(manifest["files"]) == 2
    for file in manifest["files"]:
        kept = (tmp_path / file["name"]).read_bytes()
        assert kept == (web / file["path"]).read_bytes()[: len(kept)]
        assert hashlib.sha256(kept).hexdigest() == file["sha256"]
        assert sum(member.length for member in members(kept)) == len(kept)
    assert size > 0 and json.loads((tmp_path / "manifest.json").read_text()) == manifest


def test_the_cut_lies_at_the_last_whole_record(web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = warc_path(web)
    whole = (web / path).read_bytes()
    from curate.sources import commoncrawl

    result = commoncrawl._sample_file(StoreMirror(str(web)), path, tmp_path, 50_000, lambda *_: None)
    kept = (tmp_path / result.name).read_bytes()
    assert 45_000 < len(kept) <= 50_000 and whole.startswith(kept) and whole[len(kept) :][:3] == b"\x1f\x8b\x08"


def test_a_finished_sample_is_not_asked_for_again(server: MiniServer, tmp_path: Path) -> None:
    first = download_sample(mirror_of(server), CRAWL, tmp_path, megabytes=1, files=2, seed=1)
    server.log.clear()
    assert download_sample(mirror_of(server), CRAWL, tmp_path, megabytes=1, files=2, seed=1) == first
    assert all(entry.range in ("", "bytes=0-0") for entry in server.log)


def test_a_killed_download_goes_on_where_it_was(server: MiniServer, web: Path, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, curate.sources.commoncrawl as c\nfrom curate.sources.mirror import HttpMirror\n"
        "c.CHUNK = 4096\n"
        f"m = HttpMirror({server.mirror!r})\n"
        "def slow(name, done, wanted):\n    import time; print(done, flush=True); time.sleep(0.02)\n"
        f"c.download_sample(m, {CRAWL!r}, pathlib.Path({str(tmp_path)!r}), megabytes=1, files=1, seed=1,"
        " progress=slow)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) > 60_000:
            break
    process.kill()
    process.wait()
    part = next(tmp_path.glob("*.part"))
    had = part.stat().st_size
    assert had > 60_000
    server.log.clear()
    manifest = download_sample(mirror_of(server), CRAWL, tmp_path, megabytes=1, files=1, seed=1)
    file = manifest["files"][0]
    assert (tmp_path / file["name"]).read_bytes() == (web / file["path"]).read_bytes()
    firsts = [entry.range for entry in server.log if "warc.gz" in entry.path]
    assert f"bytes={had}-" in firsts[1] and not part.exists()


def test_a_corrupted_record_is_fetched_again_and_made_whole(server: MiniServer, web: Path, tmp_path: Path) -> None:
    mirror = mirror_of(server)
    mirror.size(warc_path(web))
    server.faults = [Fault("corrupt", Path(warc_path(web)).name, 2)]
    manifest = download_sample(mirror, CRAWL, tmp_path, megabytes=1, files=1, seed=1)
    file = manifest["files"][0]
    assert (tmp_path / file["name"]).read_bytes() == (web / file["path"]).read_bytes()


def test_what_stays_wrong_is_named_and_the_rest_is_kept(web: Path, tmp_path: Path) -> None:
    bad = tmp_path / "mirror"
    path = warc_path(web)
    whole = bytearray((web / path).read_bytes())
    found = list(members(bytes(whole)))
    forged = next(member for member in found if member.headers["warc-type"] == "response")
    record = gzip.decompress(bytes(whole[forged.offset : forged.offset + forged.length]))
    at = record.index(b"WARC-Block-Digest: sha1:") + 24
    wrong = gzip.compress(record[:at] + b"AAAA" + record[at + 4 :], mtime=0)
    data = bytes(whole[: forged.offset]) + wrong + bytes(whole[forged.offset + forged.length :])
    broken = found[10].offset + len(wrong) - forged.length
    data = data[: broken + 30] + b"\xff\xff\xff\xff\xff\xff" + data[broken + 36 :]
    (bad / Path(path).parent).mkdir(parents=True)
    (bad / path).write_bytes(data[:-7])
    (bad / f"crawl-data/{CRAWL}/warc.paths.gz").write_bytes(gzip.compress((path + "\n").encode()))
    manifest = download_sample(StoreMirror(str(bad)), CRAWL, tmp_path / "out", megabytes=9, files=1, seed=1)
    errors = [entry["error"] for entry in manifest["files"][0]["failed"]]
    assert len(errors) == 3
    assert "digest" in errors[0] and "gzip member" in errors[1] and "ends within a record" in errors[2]
    assert manifest["records"] == len(found) - 3
    lost = sum(entry["length"] for entry in manifest["files"][0]["failed"])
    assert lost + manifest["bytes"] == len(data) - 7


def test_next_record_finds_the_next_member() -> None:
    record = gzip.compress(b"WARC/1.0\r\n\r\n", mtime=0)
    assert next_record(b"junk\x1f\x8b\x08no" + record, 1) == 9
    assert next_record(b"junk", 0) == 4


# ---------------------------------------------------------------------------------------- records by an index


def expected_rows(web: Path, **conditions: str) -> set[tuple[str, int]]:
    rows = pq.read_table(web / "truth.parquet").to_pylist()
    return {
        (row["file"], row["offset"])
        for row in rows
        if row["status"] == 200 and all(row[name] == value for name, value in conditions.items())
    }


def test_both_indexes_find_the_records_of_a_host(server: MiniServer, web: Path) -> None:
    mirror, failed = mirror_of(server), []
    host = next(entry for entry in server.hosts if entry.endswith(".en.example")).removeprefix("www.")
    by_table = set(columnar(mirror, CRAWL, Query(host=host), failed))
    by_api = set(cdx(mirror, find_dump(mirror, CRAWL), Query(host=host), failed))
    assert by_table == by_api and len(by_table) >= 2 and not failed
    one = next(iter(by_api))
    assert set(cdx(mirror, find_dump(mirror, CRAWL), Query(url=one.url), failed)) == {one}
    wide = set(columnar(mirror, CRAWL, Query(host="*.en.example"), failed))
    assert by_table < wide
    with pytest.raises(MirrorError, match="by host or URL only"):
        list(cdx(mirror, find_dump(mirror, CRAWL), Query(language="ru"), failed))


def test_records_of_a_language_are_fetched_whole_and_resumed(server: MiniServer, web: Path, tmp_path: Path) -> None:
    mirror, failed = mirror_of(server), []
    rows = list(columnar(mirror, CRAWL, Query(language="ja"), failed))
    assert {(row.path, row.offset) for row in rows} == expected_rows(web, language="ja")
    half = sorted(rows, key=lambda row: (row.path, row.offset))[:3]
    (tmp_path / f"{CRAWL}-index.warc.gz.part").write_bytes(
        b"".join(fetch_row(mirror, row)[0] for row in half) + b"tail"
    )
    (tmp_path / f"{CRAWL}-index.journal").write_text(
        "".join(
            json.dumps({"path": row.path, "offset": row.offset, "bytes": row.length, "error": None}) + "\n"
            for row in half
        )
        + '{"path": "cut'
    )
    server.log.clear()
    manifest = download_rows(mirror, CRAWL, rows, tmp_path, failed=failed)
    assert manifest["records"] == len(rows) and not failed
    assert len([entry for entry in server.log if "warc.gz" in entry.path]) == len(rows) - 3
    with (tmp_path / f"{CRAWL}-index.warc.gz").open("rb") as stream:
        urls = [record.rec_headers.get_header("WARC-Target-URI") for record in ArchiveIterator(stream)]
    assert sorted(urls) == sorted(row.url for row in rows)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"", "no JSON"),
        (b"com,example)/ 2025 {broken", "no JSON"),
        (b'{"url": "u", "filename": "f", "offset": "x", "length": "100"}', "is no number"),
        (b'{"url": "u", "filename": "f"}', "has no offset, length"),
        (b'{"url": "u", "filename": "../../etc/passwd", "offset": "0", "length": "100"}', "no record can be at"),
        (b'{"url": "u", "filename": "f", "offset": "-1", "length": "100"}', "no record can be at"),
    ],
)
def test_malformed_index_lines_are_told_apart(line: bytes, error: str) -> None:
    answer = parse_cdx(line)
    assert isinstance(answer, str) and error in answer


def test_records_that_are_not_what_the_index_says_become_dead_letters(server: MiniServer, tmp_path: Path) -> None:
    mirror, failed = mirror_of(server, retries=2), []
    good = next(columnar(mirror, CRAWL, Query(language="de"), failed))
    lies = [
        good,
        Row(good.url, good.path, good.offset + 1, good.length, good.digest),
        Row(good.url, good.path, good.offset, good.length - 5, good.digest),
        Row("https://other.example/", good.path, good.offset, good.length, good.digest),
        Row(good.url, good.path, good.offset, good.length, "A" * 32),
        Row(good.url, good.path, 10**9, 500, good.digest),
        Row(good.url, "no/such/file.warc.gz", 0, 500, good.digest),
    ]
    manifest = download_rows(mirror, CRAWL, lies, tmp_path, failed=failed)
    assert manifest["records"] == 1 and len(failed) == len(lies) - 1
    assert all(entry["error"] for entry in failed)


# ---------------------------------------------------------------------------------------- in a recipe


def test_a_recipe_streams_from_the_mirror_without_a_copy(server: MiniServer, web: Path) -> None:
    inputs = {"commoncrawl": {"mirror": server.mirror, "dump": CRAWL, "files": 2}, "shard_bytes": 60_000}
    shards = plan(inputs)
    assert len(shards) > 4 and all(shard.path.startswith(server.mirror) for shard in shards)
    server.faults = [Fault("503", "warc.gz", 1), Fault("cut", "warc.gz", 2)]
    urls: list[str] = []
    for shard in shards:
        for event in read(shard):
            assert not isinstance(event, Failure)
            if isinstance(event, Documents):
                urls += event.batch.column("url").to_pylist()
    wanted = [row["url"] for row in pq.read_table(web / "truth.parquet").to_pylist() if row["status"] == 200]
    assert sorted(urls) == sorted(wanted)


def test_wrong_commoncrawl_inputs_are_refused() -> None:
    for spec, message in [
        ({"dumps": "x"}, "not known"), ({"files": 0}, "at least 1"), ("latest", "a map of"),
    ]:  # fmt: skip
        with pytest.raises(InputError, match=message):
            shard_urls(spec)


# ---------------------------------------------------------------------------------------- the command


def test_crawl_sample_says_which_and_why(server: MiniServer, tmp_path: Path) -> None:
    def command(*options: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "curate", "crawl-sample", *options]
        return subprocess.run(line, capture_output=True, text=True)

    done = command("--mirror", server.mirror, "--megabytes", "1", "--files", "2", "--out", str(tmp_path / "a"))
    assert done.returncode == 0 and done.stdout.startswith(f"Common Crawl {CRAWL} from {server.mirror}, which answered")
    assert len(list((tmp_path / "a").glob("*.warc.gz"))) == 2
    one = command(
        "--mirror", server.mirror, "--from-index", "cdx", "--host", "*.ru.example", "--out", str(tmp_path / "b")
    )
    assert one.returncode == 0 and "by its cdx index" in one.stdout
    started = time.monotonic()
    dead = command("--mirror", "http://127.0.0.1:9", "--out", str(tmp_path / "c"))
    assert dead.returncode == 1 and "127.0.0.1:9" in dead.stderr and time.monotonic() - started < 15
    wrong = command("--megabytes", "0", "--out", str(tmp_path / "d"))
    assert wrong.returncode == 2 and "--megabytes" in wrong.stderr
    offline = command("--offline", "--pages", "250", "--out", str(tmp_path / "e"))
    assert offline.returncode == 0 and offline.stdout.startswith("mini-web") and (tmp_path / "e/truth.parquet").exists()
    few = command("--offline", "--pages", "100", "--out", str(tmp_path / "f"))
    assert few.returncode == 2
    assert few.stderr.startswith("error: the mini-web was not built: pages: got 100, but it takes 200")
    kept = command("--mirror", server.mirror, "--out", str(tmp_path / "e"))
    assert kept.returncode == 0 and kept.stdout.startswith("kept the mini-web")


def test_another_sample_replaces_the_one_before(server: MiniServer, tmp_path: Path) -> None:
    first = download_sample(mirror_of(server), CRAWL, tmp_path, megabytes=1, files=2, seed=1)
    second = download_sample(mirror_of(server), CRAWL, tmp_path, megabytes=1, files=1, seed=1)
    assert len(first["files"]) == 2
    assert [path.name for path in tmp_path.glob("*.warc.gz")] == [second["files"][0]["name"]]
