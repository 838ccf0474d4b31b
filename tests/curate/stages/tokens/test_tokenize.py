"""tokenize: the same shards however the documents were cut, every byte back, splits that stay, mixes that are exact."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curate.stage import GlobalContext, GlobalOutcome
from curate.stages.mix.allocation import MixError
from curate.stages.mix.plan import MixParameters
from curate.stages.mix.stage import PLAN, Mix
from curate.stages.tokens.packing import unpack
from curate.stages.tokens.splits import SPLITS, group_keys, split_of
from curate.stages.tokens.tokenize import Tokenize, TokenizeParameters, sampling_rates
from curate.stages.tokens.tokenizers_bpe import SPECIAL_TOKENS, Encoder, TokenizerError, train
from curate.stages.tokens.tokenizers_read import load
from tests.curate.stages.collection import MemoryCollection, collection

CONTEXT = GlobalContext(memory_mb=512, workers=2, recipe_hash="r")
WORDS = "river mill stone bridge winter market harbour copper letter garden signal Straße 東京 2024 ١٢٣ 🙂".split()


def documents(n: int = 300, seed: int = 0, **extra: Any) -> list[dict[str, Any]]:
    source = random.Random(seed)
    return [
        {
            "id": f"{i:032x}",
            "url": f"http://host{i % 40}.example/{i}",
            "text": " ".join(source.choices(WORDS, k=source.randint(1, 120))) + ("<|endoftext|>" if i % 9 == 0 else ""),
            "domain": ("news", "a b/c", None)[i % 3],
            "cluster": f"{i // 2:032x}",
            "cluster_size": 2 if i % 10 < 2 else 1,
            **extra,
        }
        for i in range(n)
    ]


def tokenized(rows: list[dict[str, Any]], shards: int = 3, **parameters: Any) -> tuple[GlobalOutcome, dict[str, Any]]:
    given_ = {"vocabulary": 400, "validation": 0.1, "test": 0.1, **parameters}
    outcome = Tokenize(TokenizeParameters(**given_)).run(collection(rows, shards), CONTEXT)
    return outcome, json.loads(outcome.artifacts["tokens/dataset.json"])


def files(outcome: GlobalOutcome, number: int = 0) -> dict[str, list[dict[str, Any]]]:
    names, made = outcome.files[number].names, outcome.files[number].collection
    assert names is not None and isinstance(made, MemoryCollection)
    return {name: shard.to_pylist() for name, shard in zip(names, made.shards, strict=True)}


def test_every_document_comes_back_byte_for_byte_and_the_counts_are_those_of_the_files() -> None:
    rows = documents()
    outcome, dataset = tokenized(rows)
    encoder = Encoder(outcome.artifacts["tokens/tokenizer.json"])
    texts = {row["id"]: row["text"] for row in rows}
    seen: Counter[str] = Counter()
    for name, found in files(outcome).items():
        split, _, file = name.partition("/")
        domain = file.rpartition("-")[0]
        for row in found:
            seen[row["id"]] += 1
            assert row["tokens"][-1] == dataset["eod"] == 0 and 0 not in row["tokens"][:-1]
            assert encoder.decode(row["tokens"]) == texts[row["id"]]
            assert row["n_tokens"] == len(row["tokens"]) and row["n_bytes"] == len(texts[row["id"]].encode())
            assert row["domain"] == domain
        entry = dataset["splits"][split][domain]
        assert entry["documents"] == len(found) and entry["tokens"] == sum(row["n_tokens"] for row in found)
        assert entry["bytes"] == sum(row["n_bytes"] for row in found)
    assert seen == dict.fromkeys(texts, 1)
    assert {name.split("/")[0] for name in files(outcome)} == set(SPLITS)
    assert set(dataset["splits"]["train"]) == {"news", "a_b_c", "all"}


def test_the_same_bytes_however_documents_are_sharded_and_ordered() -> None:
    rows = documents()
    shuffled = random.Random(1).sample(rows, len(rows))
    one, other = tokenized(rows, 1, file_mb=0.004)[0], tokenized(shuffled, 7, file_mb=0.004)[0]
    assert one.artifacts == other.artifacts
    assert files(one) == files(other) and len(files(one)) > 9


def test_a_document_keeps_its_split_when_others_join_and_clusters_are_never_cut() -> None:
    def splits(rows: list[dict[str, Any]], **parameters: Any) -> dict[str, str]:
        outcome, _ = tokenized(rows, **parameters)
        return {row["id"]: name.split("/")[0] for name, found in files(outcome).items() for row in found}

    few, many = splits(documents(150)), splits(documents(300))
    assert few.items() <= many.items()
    for i in range(0, 300, 10):
        assert many[f"{i:032x}"] == many[f"{i + 1:032x}"]
    hosts: dict[int, set[str]] = {}
    for i in (i for i in range(300) if i % 10 >= 2):
        hosts.setdefault(i % 40, set()).add(many[f"{i:032x}"])
    assert all(len(found) == 1 for found in hosts.values())


def test_shares_of_the_splits() -> None:
    found = Counter(split_of(f"host {i}", 1, 0.05, 0.02) for i in range(20_000))
    assert found[1] == pytest.approx(1000, rel=0.12) and found[2] == pytest.approx(400, rel=0.2)


def test_split_by_document_takes_each_by_itself() -> None:
    batch = collection(documents(6), 1).shards[0].drop_columns(["cluster", "cluster_size"]).to_batches()[0]
    assert len(set(group_keys(batch, "document"))) == 6
    assert group_keys(batch, "host")[0] == "host host0.example"


@given(st.text())
def test_any_text_comes_back_and_no_special_token_is_made_of_it(text: str) -> None:
    encoder = _ENCODER
    for each in (text, f"{text}<|endoftext|>{text}<|user|>"):
        ids = encoder.encode([each])[0]
        assert ids[-1] == encoder.eod and min([*ids[:-1], len(SPECIAL_TOKENS)]) >= len(SPECIAL_TOKENS)
        assert encoder.decode(ids) == each


_ENCODER = Encoder(train([row["text"] for row in documents(100)], 400, True))


def test_digits_are_split_by_option() -> None:
    texts = ["2024 2025 2026"] * 50
    split, whole = Encoder(train(texts, 400, True)), Encoder(train(texts, 400, False))
    assert len(split.encode(["2024"])[0]) == 5 > len(whole.encode(["2024"])[0])


def test_small_domains_are_sampled_whole() -> None:
    rates = sampling_rates({"small": 10, "large": 1000, "larger": 5000}, 210)
    assert rates == {"small": 1.0, "large": 0.1, "larger": 0.02}


def test_packed_rows_are_of_one_length_and_give_the_documents_back() -> None:
    outcome, _ = tokenized(documents(), pack=64)
    shards, packed = files(outcome), files(outcome, 1)
    assert outcome.files[1].folder == "tokens/packed-64"
    for name, rows in packed.items():
        assert all(len(row["tokens"]) == 64 for row in rows) and all(row["n_tokens"] == 64 for row in rows[:-1])
        assert unpack(rows) == {row["id"]: row["tokens"] for row in shards[name]}


def test_a_vocabulary_that_the_dtype_cannot_hold_is_refused_before_any_work() -> None:
    with pytest.raises(ValidationError, match="dtype uint16 holds ids up to 65535, and the tokenizer has 70000"):
        TokenizeParameters(vocabulary=70_000, dtype="uint16")
    outcome, dataset = tokenized(documents(30), dtype="uint32")
    assert dataset["dtype"] == "uint32"
    assert str(outcome.files[0].collection.schema.field("tokens").type.value_type) == "uint32"


def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match="no tokenizer at 'nowhere'"):
        load("nowhere")
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(TokenizerError, match=r"not a tokenizer\.json"):
        load(str(tmp_path / "x.json"))


def test_a_loaded_tokenizer_gives_the_shards_of_the_trained_one(tmp_path: Path) -> None:
    first, _ = tokenized(documents(60))
    (tmp_path / "tokenizer.json").write_bytes(first.artifacts["tokens/tokenizer.json"])
    second, _ = tokenized(documents(60), tokenizer=str(tmp_path / "tokenizer.json"))
    assert files(first) == files(second)


def mixed(rows: list[dict[str, Any]], **parameters: Any) -> tuple[GlobalOutcome, dict[str, Any]]:
    made = collection(rows, 2)
    plan = Mix(MixParameters(**parameters)).run(made, CONTEXT).columns
    assert plan is not None
    text = next(iter(plan.batches())).column(PLAN)[0].as_py()
    return tokenized([{**row, PLAN: text} for row in rows])


def test_a_mix_is_exact_in_the_tokens_that_came_out() -> None:
    outcome, dataset = mixed(documents(), strategy="weights", weights={"news": 0.75, "all": 0.25}, total_tokens=9999)
    content = json.loads(outcome.artifacts["mix.json"])["domains"]
    assert {d: e["tokens"] for d, e in content.items()} == {"a_b_c": 0, "all": 2500, "news": 7499}
    assert dataset["mix"] == {"all": 2500 / 9999, "news": 7499 / 9999}
    for domain, entry in content.items():
        assert entry["available_tokens"] == dataset["splits"]["train"][domain]["tokens"]


def test_a_materialised_mix_repeats_documents_by_epochs_and_lacks_less_than_one_document() -> None:
    rows = documents()
    outcome, _ = mixed(rows, strategy="uniform", total_tokens=60_000, max_epochs=9, materialise=True)
    content = json.loads(outcome.artifacts["mix.json"])["domains"]
    made = next(each for each in outcome.files if each.folder == "tokens/mixed").collection
    assert isinstance(made, MemoryCollection)
    found = [row for shard in made.shards for row in shard.to_pylist()]
    for domain, entry in content.items():
        mine = [row for row in found if row["domain"] == domain]
        assert sum(row["n_tokens"] for row in mine) == entry["materialised_tokens"] <= entry["tokens"]
        assert entry["tokens"] - entry["materialised_tokens"] < 1500
        times = Counter(row["id"] for row in mine)
        assert set(times.values()) <= {int(entry["epochs"]), int(entry["epochs"]) + 1}
    half = [row["domain"] for row in found[: len(found) // 2]]
    assert Counter(half)["news"] == pytest.approx(Counter(r["domain"] for r in found)["news"] / 2, rel=0.25)
    test_ids = {row["id"] for name, each in files(outcome).items() if name.startswith("test/") for row in each}
    assert not test_ids & {row["id"] for row in found}


def test_duplicated_documents_weigh_by_their_cluster() -> None:
    rows = [{**row, "cluster_size": 16 if row["domain"] == "news" else 1} for row in documents()]
    plain, _ = mixed(rows)
    heavy, _ = mixed(rows, cluster_weight="sqrt")
    before, after = (json.loads(o.artifacts["mix.json"])["domains"]["news"] for o in (plain, heavy))
    assert after["target_share"] == pytest.approx(4 * before["share"] / (1 + 3 * before["share"]), rel=1e-3)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"strategy": "weights", "weights": {"wrong": 1.0}}, "mix: there is no domain 'wrong'"),
        ({"total_tokens": 10**12}, "mix: total_tokens is 1000000000000, but the domains of this mix give no more than"),
    ],
)
def test_a_wrong_mix_stops_the_run_before_anything_is_tokenized(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(MixError, match=message):
        Mix(MixParameters(**parameters)).run(collection(documents(), 2), CONTEXT)


def test_cluster_weight_without_deduplication_is_refused() -> None:
    rows = [{k: v for k, v in row.items() if k != "cluster_size"} for row in documents(10)]
    with pytest.raises(MixError, match="needs the column cluster_size; put deduplicate before it"):
        Mix(MixParameters(cluster_weight="sqrt")).run(collection(rows), CONTEXT)


def test_nothing_left_is_said_and_writes_no_tokens() -> None:
    rows = documents(1)
    made = collection(rows)
    made.shards = [made.shards[0].slice(0, 0)]
    outcome = Tokenize(TokenizeParameters()).run(made, CONTEXT)
    assert outcome.summary == {"missed": "no documents were left to tokenize"}
    assert not outcome.files
    assert not outcome.artifacts
