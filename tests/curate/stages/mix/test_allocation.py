"""Allocation: whole tokens that sum to the budget, never an accidental second epoch, clear errors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curate.stages.mix.allocation import MixError
from curate.stages.mix.plan import MixParameters, mix, weights_of

AVAILABLE = {"books": 1000, "news": 3000, "web": 96_000}


def taken(available: dict[str, int], **parameters: Any) -> dict[str, int]:
    return {d: e["tokens"] for d, e in mix(MixParameters(**parameters), available)["domains"].items()}


@settings(deadline=None)
@given(
    st.dictionaries(st.text("abcdef", min_size=1), st.integers(0, 10**13), min_size=1).filter(
        lambda d: any(d.values())
    ),
    st.sampled_from(["natural", "uniform", "temperature"]),
    st.floats(0, 1),
    st.floats(0.001, 1.0),
)
def test_tokens_sum_to_the_budget_and_stay_under_the_cap(
    available: dict[str, int], strategy: str, exponent: float, part: float
) -> None:
    budget = max(1, int(part * sum(available.values())))
    p = MixParameters(strategy=strategy, temperature=exponent, total_tokens=budget, max_epochs=1)
    content = mix(p, available)
    assert sum(e["tokens"] for e in content["domains"].values()) == budget
    assert all(0 <= e["tokens"] <= available[d] for d, e in content["domains"].items())


@given(st.dictionaries(st.text("abcdef", min_size=1), st.integers(1, 10**12), min_size=1))
def test_natural_with_no_budget_is_each_token_once(available: dict[str, int]) -> None:
    assert taken(available) == available


def test_strategies_give_their_shares() -> None:
    assert taken(AVAILABLE, strategy="uniform", total_tokens=3000) == {"books": 1000, "news": 1000, "web": 1000}
    shares = {d: e["target_share"] for d, e in mix(MixParameters(strategy="temperature"), AVAILABLE)["domains"].items()}
    roots = {d: n**0.5 for d, n in AVAILABLE.items()}
    assert shares == pytest.approx({d: r / sum(roots.values()) for d, r in roots.items()})
    given_ = {"books": 0.1, "news": 0.2, "web": 0.7}
    assert taken(AVAILABLE, strategy="weights", weights=given_, total_tokens=10_000) == {
        "books": 1000,
        "news": 2000,
        "web": 7000,
    }


def test_a_capped_domain_leaves_its_rest_to_the_others_by_their_shares() -> None:
    content = mix(MixParameters(strategy="uniform", total_tokens=30_000, max_epochs=4), AVAILABLE)["domains"]
    assert {d: e["tokens"] for d, e in content.items()} == {"books": 4000, "news": 12_000, "web": 14_000}
    assert content["books"]["capped"] and content["books"]["epochs"] == 4
    assert content["news"]["capped"] and not content["web"]["capped"]


def test_remainders_go_to_the_largest_fraction() -> None:
    assert taken({"a": 100, "b": 100, "c": 100}, strategy="uniform", total_tokens=100) == {"a": 34, "b": 33, "c": 33}
    weights = {"a": 0.333, "b": 0.333, "c": 0.334}
    assert taken({"a": 100, "b": 100, "c": 100}, strategy="weights", weights=weights, total_tokens=10) == {
        "a": 3,
        "b": 3,
        "c": 4,
    }


def test_domains_without_a_weight_are_left_out_of_the_dataset_mix() -> None:
    content = mix(MixParameters(strategy="weights", weights={"web": 1.0}, total_tokens=10), AVAILABLE)
    assert weights_of(content) == {"web": 1.0}


def test_cluster_weights_move_natural_shares() -> None:
    content = mix(MixParameters(total_tokens=100), {"a": 100, "b": 100}, {"a": 300, "b": 100})
    assert {d: e["tokens"] for d, e in content["domains"].items()} == {"a": 75, "b": 25}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"strategy": "weights", "weights": {"web": 0.7, "news": 0.2}}, "sum to 0.9, not to 1"),
        ({"strategy": "weights", "weights": {"web": 1.5, "news": -0.5}}, "weight of 'news' is -0.5"),
        ({"strategy": "weights"}, "needs `weights`"),
        ({"strategy": "natural", "weights": {"web": 1.0}}, "belong to strategy weights"),
        ({"strategy": "regression"}, "needs `file`"),
        ({"strategy": "file", "file": "nowhere.json"}, "no file 'nowhere.json'"),
        ({"strategy": "popular"}, "strategy"),
        ({"max_epochs": 0}, "max_epochs"),
    ],
)
def test_a_wrong_recipe_is_refused_as_it_is_read(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises((ValidationError, MixError), match=message):
        MixParameters(**parameters)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"strategy": "weights", "weights": {"wbe": 1.0}}, "no domain 'wbe'; domains with tokens: books, news, web"),
        ({"strategy": "weights", "weights": {"empty": 1.0}}, "'empty' has weight 1.0 and no tokens"),
        ({"total_tokens": 400_001}, "no more than 400000 in 4 epochs of 100000"),
        ({"strategy": "weights", "weights": {"books": 1.0}, "total_tokens": 4001}, "no more than 4000"),
    ],
)
def test_a_mix_that_cannot_be_had_names_what_is_there(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(MixError, match=message):
        mix(MixParameters(**parameters), {**AVAILABLE, "empty": 0})
