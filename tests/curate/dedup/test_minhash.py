"""deduplicate by minhash: truth found, nothing wrong dropped, the same for any cut; datasketch is the reference."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasketch import MinHash
from datasketch.lsh import _optimal_param

from curate.kernels.minhash import jaccard, permutations, shingle_set, signatures
from curate.kernels.units import find_units
from curate.stages.dedup.curve import best_bands, chance_found
from tests.curate.dedup.test_exact import deduplicate

WORDS = [f"w{index}" for index in range(3000)]


def text(draw: random.Random, n: int = 120) -> str:
    return " ".join(draw.choices(WORDS, k=n))


def edited(draw: random.Random, original: str, edits: int) -> str:
    words = original.split()
    for _ in range(edits):
        words[draw.randrange(len(words))] = draw.choice(WORDS)
    return " ".join(words)


def planted(clusters: int, singles: int, seed: int = 1) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    rows = []
    for cluster in range(clusters):
        original = text(draw)
        for member in range(draw.choice([2, 2, 3, 5, 40])):
            rows.append(
                {"text": edited(draw, original, 0 if member == 0 else draw.choice([0, 1, 2])), "truth": cluster}
            )
    rows += [{"text": text(draw), "truth": -1 - index} for index in range(singles)]
    for row in rows:
        row |= {"id": f"{draw.getrandbits(128):032x}", "date": None, "source": "a"}
    draw.shuffle(rows)
    return rows


def buffers(texts: list[str]) -> tuple[Any, Any]:
    encoded = [text.encode() for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in encoded])]).astype(np.int64)
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets


def test_planted_clusters_are_found_whole_and_nothing_else() -> None:
    rows = planted(60, 300)
    truth = {row["id"]: row["truth"] for row in rows}
    answer = deduplicate(rows, 3, by="minhash", threshold=0.6, verify=0.6)
    assert {truth[v["duplicate_of"]] == truth[id] for id, v in answer.dropped.items()} == {True}
    assert len(answer.kept) == len(set(truth.values()))
    for verdict in answer.dropped.values():
        assert verdict["rule"] == "near_duplicate"
        assert verdict["threshold"] == "0.6"
        assert 0.6 <= float(verdict["value"]) <= 1


def test_the_removal_set_does_not_depend_on_shards_order_or_batches() -> None:
    rows = planted(30, 60)
    answers = []
    for shards, batch_rows in ((1, 1000), (4, 33), (11, 7)):
        random.Random(shards).shuffle(rows)
        answer = deduplicate(rows, shards, batch_rows, by="minhash", verify=0.7)
        audit = {row.pop("id"): row for row in answer.files["duplicates/deduplicate_minhash"]}
        answers.append(({id: {**v, "row": 0} for id, v in answer.dropped.items()}, audit))
    assert answers[0] == answers[1] == answers[2]
    assert len(answers[0][0]) > 100


def test_the_audit_tells_which_pair_joined_each_member() -> None:
    rows = planted(20, 20)
    texts = {row["id"]: row["text"] for row in rows}
    answer = deduplicate(rows, 2, by="minhash")
    audit = answer.files["duplicates/deduplicate_minhash"]
    assert {row["id"] for row in audit if row["joined_to"] is None} == {row["keeper"] for row in audit}
    for row in audit:
        assert row["cluster"] == row["keeper"]
        assert row["size"] == sum(other["cluster"] == row["cluster"] for other in audit)
        if row["joined_to"] is not None:
            units = find_units(*buffers([texts[row["id"]], texts[row["joined_to"]]]))
            a, b = (shingle_set(units.hashes, units.first[i], units.first[i + 1], 5) for i in (0, 1))
            assert row["jaccard_exact"] == pytest.approx(jaccard(a, b))
            assert abs(row["jaccard_estimate"] - row["jaccard_exact"]) < 5 * (0.25 / 112) ** 0.5


def test_without_an_audit_the_same_documents_go() -> None:
    rows = planted(20, 20)
    with_audit, without = (deduplicate(rows, 2, by="minhash", audit=audit) for audit in (True, False))
    assert set(with_audit.dropped) == set(without.dropped)
    assert all(row["jaccard_exact"] is None for row in without.files["duplicates/deduplicate_minhash"])


def test_empty_and_short_texts_are_no_duplicates_by_accident() -> None:
    rows = [{"id": f"{i}", "text": t} for i, t in enumerate(["", "", "!!", "one", "two", "one two", "One, two"])]
    answer = deduplicate(rows, 2, by="minhash", verify=0.9)
    assert len(answer.dropped) == 1
    assert {next(iter(answer.dropped)), next(iter(answer.dropped.values()))["duplicate_of"]} == {"5", "6"}


def test_estimates_agree_with_the_exact_similarity_as_those_of_datasketch_do() -> None:
    draw = random.Random(3)
    originals = [text(draw, 400) for _ in range(80)]
    copies = [edited(draw, original, draw.choice([1, 4, 10, 20])) for original in originals]
    k = 128
    units = find_units(*buffers(originals + copies))
    ours = signatures(units.hashes, units.first, 5, *permutations(k, 7))
    errors, theirs = [], []
    for pair in range(80):
        sets = [shingle_set(units.hashes, units.first[d], units.first[d + 1], 5) for d in (pair, pair + 80)]
        exact = jaccard(*sets)
        words = [doc.split() for doc in (originals[pair], copies[pair])]
        plain = [{tuple(w[i : i + 5]) for i in range(len(w) - 4)} for w in words]
        assert exact == pytest.approx(len(plain[0] & plain[1]) / len(plain[0] | plain[1]))
        errors.append(np.mean(ours[pair] == ours[pair + 80]) - exact)
        reference = [MinHash(num_perm=k, seed=7) for _ in range(2)]
        for minhash, shingles in zip(reference, plain, strict=True):
            minhash.update_batch([" ".join(s).encode() for s in shingles])
        theirs.append(reference[0].jaccard(reference[1]) - exact)
    # unbiased: the mean error of 80 pairs has a standard error of at most sqrt(.25 / 128 / 80)
    assert abs(np.mean(errors)) < 4 * (0.25 / k / 80) ** 0.5
    assert np.std(errors) < 1.3 * np.std(theirs) + 0.005


@pytest.mark.parametrize(("threshold", "hashes"), [(0.5, 128), (0.8, 128), (0.9, 64), (0.7, 112)])
def test_the_bands_of_a_threshold_are_those_of_datasketch(threshold: float, hashes: int) -> None:
    assert best_bands(threshold, hashes) == tuple(_optimal_param(threshold, hashes, 0.5, 0.5))


def test_pairs_are_found_at_the_rate_of_the_s_curve() -> None:
    draw = random.Random(11)
    n, bands, rows = 1500, 14, 8
    originals = [text(draw, 120) for _ in range(n)]
    copies = [edited(draw, original, draw.choice([2, 4, 6])) for original in originals]
    units = find_units(*buffers(originals + copies))
    ours = signatures(units.hashes, units.first, 5, *permutations(bands * rows, 1)).reshape(2 * n, bands, rows)
    found = (ours[:n] == ours[n:]).all(axis=2).any(axis=1)
    sets = [shingle_set(units.hashes, units.first[d], units.first[d + 1], 5) for d in range(2 * n)]
    exact = np.array([jaccard(sets[d], sets[d + n]) for d in range(n)])
    chance = chance_found(exact, bands, rows)
    assert abs(found.sum() - chance.sum()) < 3.3 * np.sqrt((chance * (1 - chance)).sum())


def test_units_fold_case_accents_and_width_and_split_scripts_without_spaces() -> None:
    def hashes(value: str) -> list[int]:
        return find_units(*buffers([value])).hashes.tolist()

    assert hashes("Crème, BRÛLÉE!") == hashes("creme brulee")
    assert hashes("Ｗｉｄｅ １２") == hashes("wide 12")
    assert len(hashes("機械学習 です")) == 6
    assert len(hashes("ภาษาไทย")) == 7
    assert hashes("don't") != hashes("dont")
    assert hashes(" \u2014 ... ") == []
    units = find_units(*buffers(["zwei Wörter", "", "語x"]))
    assert units.first.tolist() == [0, 2, 2, 4]
    assert (units.start.tolist(), units.stop.tolist()) == ([0, 5, 12, 15], [4, 12, 15, 16])


@pytest.mark.parametrize("size", [100, 1000])
def test_true_pairs_among_articles_are_all_found(shared_data: Path, size: int) -> None:
    folder = shared_data / "dedup"
    with gzip.open(folder / f"minhash_articles_{size}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    truth = [json.loads(line) for line in (folder / f"minhash_articles_{size}_truth.jsonl").read_text().splitlines()]
    answer = deduplicate(rows, 4, by="minhash", verify=0.5)
    cluster = {row["id"]: row["cluster"] for row in answer.files["duplicates/deduplicate_minhash"]}
    assert all(cluster[pair["a"]] == cluster[pair["b"]] for pair in truth)
    assert len(answer.dropped) == len(truth)
