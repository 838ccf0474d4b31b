"""From `input:` to shards: sorted, complete, and clear about what is wrong."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from curate.documents import PAGE, TEXT
from curate.sources import InputError, Shard, chain, fingerprint, plan, schema
from curate.sources.base import Extent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, size in {"b.warc.gz": 100, "a.warc.gz": 1000, "sub/c.warc.gz": 10, "x.jsonl": 50, "p.html": 7}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * size)
    return tmp_path


def test_ranges_cover_each_file_once_in_the_order_of_paths(folder: Path) -> None:
    shards = plan({"warc": str(folder / "*.warc.gz"), "shard_bytes": 300})
    assert [(Path(shard.path).name, shard.start, shard.end) for shard in shards] == [
        ("a.warc.gz", 0, 250),
        ("a.warc.gz", 250, 500),
        ("a.warc.gz", 500, 750),
        ("a.warc.gz", 750, 1000),
        ("b.warc.gz", 0, 100),
    ]
    assert [shard.exact for shard in shards] == [True, False, False, False, True]


def test_lists_double_stars_and_repeats(folder: Path) -> None:
    patterns = [str(folder / "**" / "*.warc.gz"), str(folder / "a.warc.gz")]
    assert [Path(shard.path).name for shard in plan({"warc": patterns})] == ["a.warc.gz", "b.warc.gz", "c.warc.gz"]


def test_small_html_files_share_a_shard(folder: Path) -> None:
    for number in range(700):
        (folder / f"{number:04}.html").write_text("<p>x</p>")
    shards = plan({"html": str(folder / "*.html")})
    assert [len(shard.paths) for shard in shards] == [500, 201]


def test_what_is_not_splittable_is_one_shard(folder: Path) -> None:
    assert len(plan({"jsonl": str(folder / "x.jsonl"), "shard_bytes": 10})) == 1


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, ["names no source", "warc"]),
        ({"wark": "x"}, ["names no source", "wark"]),
        ({"warc": "nothing/*.gz"}, ["nothing/*.gz", "matches no file", "s3://"]),
        ({"warc": []}, ["input.warc", "allowed"]),
        ({"warc": "{folder}"}, ["is a folder", "*"]),
        ({"warc": "{folder}/*.gz", "txet": "body"}, ["input.txet", "shard_bytes"]),
        ({"warc": "{folder}/*.gz", "text": "body"}, ["input.text", "max_page_bytes"]),
        ({"warc": "{folder}/*.gz", "jsonl": "{folder}/x.jsonl"}, ["mixes pages"]),
        ({"warc": "{folder}/*.gz", "shard_bytes": 0}, ["input.shard_bytes", "at least 1"]),
        ({"warc": "nosuch://bucket/x"}, ["nosuch://bucket/x"]),
    ],
)
def test_a_wrong_input_is_answered_with_what_is_allowed(
    inputs: dict[str, object], words: list[str], folder: Path
) -> None:
    filled = {
        key: value.replace("{folder}", str(folder)) if isinstance(value, str) else value
        for key, value in inputs.items()
    }
    with pytest.raises(InputError) as error:
        plan(filled)
    for word in words:
        assert word in str(error.value)


def test_the_schema_follows_the_kind() -> None:
    assert schema({"warc": "x"}) == PAGE
    assert schema({"jsonl": "x"}) == TEXT


def test_the_fingerprint_follows_the_files(folder: Path) -> None:
    inputs = {"warc": str(folder / "*.warc.gz")}
    before = fingerprint(plan(inputs))
    assert before == fingerprint(plan(inputs))
    (folder / "b.warc.gz").write_bytes(b"y" * 101)
    assert before != fingerprint(plan(inputs))


def test_shards_travel(folder: Path) -> None:
    for shard in plan({"warc": str(folder / "*.warc.gz"), "max_page_bytes": 5}):
        assert pickle.loads(pickle.dumps(shard)) == shard
        assert Shard.from_json(shard.to_json()) == shard


def test_chain_corrects_the_first_wrong_range_of_each_file() -> None:
    shards = [Shard("warc", path, start, start + 10, 30) for path in "ab" for start in (0, 10, 20)]
    extents = [Extent(0, 12), Extent(14, 22), Extent(25, 30), Extent(0, 35), Extent(35, 35), Extent(35, 35)]
    again = chain(list(zip(shards, extents, strict=True)))
    assert [(place, shard.start, shard.exact) for place, shard in again] == [(1, 12, True)]
