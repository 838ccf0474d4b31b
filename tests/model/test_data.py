"""Batches: a function of data, seed and step; nothing cropped, replayed or skipped; bad shards refused."""

import difflib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.data import LoaderState, Schedule, batches
from model.shards import DataError, TokenDataset
from tests.model.shards import EOD, VOCABULARY, synthetic, write_shards


@pytest.fixture
def broken(shards: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shards, tmp_path / "tokens"))


def edit(folder: Path, **changes: object) -> None:
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_stream_holds_every_document_whole_and_each_target_once(shards: Path) -> None:
    data = TokenDataset(shards)
    schedule = Schedule(data, 40_000, seed=3, block_tokens=0)
    taken = [schedule.batch_at(s, 4, 64) for s in range(40_000 // 256)]
    stream = np.concatenate([b.inputs.ravel() for b in taken])
    targets = np.concatenate([b.targets.ravel() for b in taken])
    assert (targets[:-1] == stream[1:]).all()
    documents = data.split("train")
    expected = np.concatenate([documents.of(d) for d in schedule.order])[: len(stream)]
    assert (stream == expected).all()
    assert (
        np.concatenate([b.document.ravel() for b in taken])[1:]
        - np.concatenate([b.document.ravel() for b in taken])[:-1]
        == (stream[:-1] == EOD)
    ).all()


def test_rows_are_shuffled_within_blocks_and_each_is_met_once(shards: Path) -> None:
    data = TokenDataset(shards)
    plain, shuffled = (Schedule(data, 40_000, seed=3, block_tokens=size) for size in (0, 4_096))
    a_block = 4_096 // 64
    rows = [
        np.concatenate([s.batch_at(step, 4, 64).inputs for step in range(2 * a_block // 4)]) for s in (plain, shuffled)
    ]
    for block in (slice(0, a_block), slice(a_block, 2 * a_block)):
        assert (rows[0][block] != rows[1][block]).any()
        assert sorted(map(bytes, rows[0][block])) == sorted(map(bytes, rows[1][block]))
    longer = Schedule(data, 80_000, seed=3, block_tokens=4_096)
    assert (longer.batch_at(5, 4, 64).inputs == shuffled.batch_at(5, 4, 64).inputs).all()


def test_a_batch_holds_rows_of_many_long_documents(tmp_path: Path) -> None:
    rows = {"train": {"a": [(f"{i:032x}", f"word{i} " * 400) for i in range(60)]}}
    data = TokenDataset(write_shards(tmp_path / "long", rows))
    assert len(Schedule(data, 40_000, 0).document_ids(0, 16, 64)) >= 12
    assert len(Schedule(data, 40_000, 0, block_tokens=0).document_ids(0, 16, 64)) < 6


def test_a_run_within_an_epoch_meets_no_text_twice_and_the_epoch_is_met_whole(tmp_path: Path) -> None:
    rows = {"train": {"a": [(f"{i:032x}", f"word{i} " * 200) for i in range(300)]}}
    data = TokenDataset(write_shards(tmp_path / "long", rows))
    tokens = len(data.split("train").tokens)
    assert tokens > 1 << 17, "the block is an epoch"
    schedule = Schedule(data, tokens, 0)
    first = sorted(start for step in range(tokens // 64 // 8) for start in schedule._starts_of(step * 8, 8, 64))
    assert first == [row * 64 for row in range(len(first))]


def test_arms_that_share_documents_meet_their_text_in_matching_order(tmp_path: Path) -> None:
    documents = [(f"{i:032x}", f"word{i} " * 200) for i in range(400)]
    one = TokenDataset(write_shards(tmp_path / "one", {"train": {"a": documents[:300]}}))
    two = TokenDataset(write_shards(tmp_path / "two", {"train": {"a": documents}}))
    met = []
    for data, rows in ((one, 600), (two, 800)):
        order: list[str] = []
        schedule = Schedule(data, 200_000, seed=1)
        for row in range(rows):
            name = schedule.document_ids(row, 1, 64)[0]
            if name < f"{300:032x}":
                order.append(name)
        met.append(order)
    # Rows near a document's end begin in the same document in one arm and in its neighbour in the other.
    common = difflib.SequenceMatcher(None, met[0], met[1], autojunk=False)
    matched = sum(block.size for block in common.get_matching_blocks())
    assert matched > 0.8 * min(map(len, met))


def test_batches_do_not_depend_on_world_size_workers_or_resume(shards: Path) -> None:
    schedule = Schedule(TokenDataset(shards), 30_000, seed=1)
    whole = [b for b, _ in batches(schedule, 4, 64, 20, LoaderState(), workers=0)]
    ahead = [b for b, _ in batches(schedule, 4, 64, 20, LoaderState(), workers=3)]
    resumed = [b for b, _ in batches(schedule, 4, 64, 20, LoaderState(12), workers=2)]
    ranks = [[b for b, _ in batches(schedule, 4, 64, 20, LoaderState(), rank=r, world=2)] for r in range(2)]
    for step, batch in enumerate(whole):
        for name in ("inputs", "targets", "domain", "document"):
            reference = getattr(batch, name)
            assert (getattr(ahead[step], name) == reference).all()
            assert (np.concatenate([getattr(ranks[r][step], name) for r in range(2)]) == reference).all()
            if step >= 12:
                assert (getattr(resumed[step - 12], name) == reference).all()


def test_state_names_the_next_step(shards: Path) -> None:
    schedule = Schedule(TokenDataset(shards), 30_000, seed=1)
    states = [state.step for _, state in batches(schedule, 4, 64, 9, LoaderState(5))]
    assert states == [6, 7, 8, 9]


def test_a_longer_run_begins_with_the_shorter_one(shards: Path) -> None:
    data = TokenDataset(shards)
    short, long = Schedule(data, 5_000, seed=1), Schedule(data, 400_000, seed=1)
    assert (short.order == long.order[: len(short.order)]).all()


def test_sharding_into_files_does_not_change_batches(tmp_path: Path) -> None:
    rows = {"train": {"a": [(f"{i:032x}", f"document {i} " * (i % 5 + 1)) for i in range(60)]}}
    one = Schedule(TokenDataset(write_shards(tmp_path / "one", rows, files=1)), 4_000, 0)
    five = Schedule(TokenDataset(write_shards(tmp_path / "five", rows, files=5)), 4_000, 0)
    assert (one.batch_at(3, 8, 32).inputs == five.batch_at(3, 8, 32).inputs).all()


def test_every_prefix_of_the_stream_keeps_the_mix_to_within_a_document(shards: Path) -> None:
    data = TokenDataset(shards)
    schedule = Schedule(data, 100_000, seed=0, block_tokens=0)
    longest = int(data.split("train").n_tokens.max())
    for tokens in range(2_000, 100_000, 7_000):
        domain = np.concatenate([schedule.batch_at(s, 1, 1000).domain.ravel() for s in range(tokens // 1000)])
        share = np.bincount(domain, minlength=2) / tokens
        wanted = [{"prose": 0.7, "numbers": 0.3}[d] for d in data.domains]
        assert np.abs(share - wanted).max() * tokens <= longest + 1


def test_epochs_count_how_often_a_domain_was_read(shards: Path) -> None:
    data = TokenDataset(shards)
    held = {d: s.tokens for d, s in data.description.splits["train"].items()}
    epochs = Schedule(data, 90_000, 0).epochs(90_000)
    assert epochs["prose"] == pytest.approx(63_000 / held["prose"], abs=0.02)
    assert epochs["numbers"] == pytest.approx(27_000 / held["numbers"], abs=0.02)
    natural = Schedule(data, 90_000, 0, mix="natural").epochs(90_000)
    assert natural["prose"] == pytest.approx(natural["numbers"], rel=0.1)


def test_arms_that_share_documents_meet_them_in_matching_order(tmp_path: Path) -> None:
    rows = [(f"{i:032x}", f"text number {i}") for i in range(300)]
    full = Schedule(TokenDataset(write_shards(tmp_path / "f", {"train": {"a": rows}})), 4_000, 7, mix="natural")
    half = Schedule(TokenDataset(write_shards(tmp_path / "h", {"train": {"a": rows[::2]}})), 2_000, 7, mix="natural")
    first = [full.documents.ids[d] for d in full.order]
    second = [half.documents.ids[d] for d in half.order][:100]
    shared = set(second)
    assert [i for i in first if i in shared][: len(second)] == second
    other = Schedule(TokenDataset(tmp_path / "f"), 4_000, 8, mix="natural")
    assert [other.documents.ids[d] for d in other.order] != first


def test_a_split_larger_than_memory_is_mapped_and_read_the_same(shards: Path) -> None:
    mapped, held = TokenDataset(shards, in_memory_bytes=0), TokenDataset(shards)
    assert isinstance(mapped.split("train").tokens, np.memmap)
    a, b = Schedule(mapped, 9_000, 0), Schedule(held, 9_000, 0)
    assert (a.batch_at(2, 8, 128).inputs == b.batch_at(2, 8, 128).inputs).all()


def test_shards_are_read_from_an_fsspec_url(shards: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(str(shards), "/bucket/tokens", recursive=True)
    remote = Schedule(TokenDataset("memory://bucket/tokens"), 9_000, 0)
    assert (
        remote.batch_at(1, 8, 64).inputs == Schedule(TokenDataset(shards), 9_000, 0).batch_at(1, 8, 64).inputs
    ).all()


def test_another_tokenizer_is_refused(broken: Path) -> None:
    (broken / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match=r"tokenizer.*tokenize again"):
        TokenDataset(broken)


def test_token_beyond_the_vocabulary_is_refused(broken: Path) -> None:
    """Only the first token of one document is wrong: counts, ends and the tokenizer's hash all hold."""
    file = broken / "train/prose-00001.parquet"
    table = pq.read_table(file)
    rows = table["tokens"].to_pylist()
    rows[3][0] = VOCABULARY
    column = table.schema.get_field_index("tokens")
    pq.write_table(table.set_column(column, "tokens", pa.array(rows, table.schema.field(column).type)), file)
    data = TokenDataset(broken)
    with pytest.raises(DataError, match=rf"train holds token {VOCABULARY}, .* is {VOCABULARY}; .*tokenizer"):
        data.split("train")
    assert len(data.split("validation"))


def test_an_end_of_document_outside_the_vocabulary_is_refused(broken: Path) -> None:
    edit(broken, vocabulary=EOD)
    with pytest.raises(DataError, match=rf"eod {EOD} lies outside the vocabulary of {EOD}"):
        TokenDataset(broken)


def test_documents_that_end_with_another_token_are_refused(broken: Path) -> None:
    edit(broken, eod=EOD - 1)
    with pytest.raises(DataError, match=rf"does not end with token {EOD - 1} \(eod\).*another tokenizer"):
        TokenDataset(broken).split("train")


def test_an_empty_split_is_refused(broken: Path) -> None:
    with pytest.raises(
        DataError, match=r"'holdout' is empty; splits with documents: \['train', 'validation', 'test'\]"
    ):
        TokenDataset(broken).split("holdout")


def test_a_truncated_parquet_file_is_named(broken: Path) -> None:
    file = broken / "train/prose-00001.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"prose-00001\.parquet: cannot be read, is it truncated"):
        TokenDataset(broken).split("train")


def test_a_missing_row_group_is_noticed(broken: Path) -> None:
    file = broken / "train/prose-00001.parquet"
    pq.write_table(pq.read_table(file)[:-5], file)
    with pytest.raises(DataError, match="missing, truncated or repeated"):
        TokenDataset(broken).split("train")


def test_a_folder_without_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no dataset\.json"):
        TokenDataset(tmp_path)


def test_a_wrong_mix_is_refused(tmp_path: Path) -> None:
    data = TokenDataset(synthetic(tmp_path / "t", train=20, held_out=4))
    for mix, message in (({"prose": 0.5}, "sum to 1"), ({"poetry": 1.0}, "poetry"), ("even", "allowed")):
        with pytest.raises(DataError, match=message):
            data.weights(mix)
