"""Intervals, corrections and power on simulated arms whose effects are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from model.statistics import (
    PairedLosses,
    decide,
    effect_from,
    holm,
    learning_rate_sensitivity,
    paired_effect,
    power_of,
    seeds_needed,
    smallest_detectable,
    transfer,
)


def simulated(
    rng: np.random.Generator, effect: float, *, seeds: int = 4, clusters: int = 60, seed_sd: float = 0.01,
    document_sd: float = 0.03
) -> PairedLosses:  # fmt: skip
    """Losses around 2 bits a byte: seeds shift an arm, sites react to the arm in their own way."""
    members = 3
    site = np.repeat(np.arange(clusters), members)
    size = np.full(len(site), 1000.0)
    baseline = 2.0 + rng.normal(0, 0.3, len(site)) + np.zeros((seeds, 1))
    reaction = effect + rng.normal(0, document_sd, clusters)[site] + rng.normal(0, seed_sd, (seeds, 1))
    return PairedLosses((baseline + reaction) * size, baseline * size, size, site)


def test_no_effect_is_called_one_in_twenty_times() -> None:
    rng = np.random.default_rng(1)
    n = 400
    false = sum(paired_effect(simulated(rng, 0.0), resamples=200).p < 0.05 for _ in range(n))
    low, high = binomtest(false, n).proportion_ci()
    assert low <= 0.05
    assert high < 0.09


def test_effects_are_found_as_often_as_predicted() -> None:
    rng = np.random.default_rng(2)
    n = 300
    found = [paired_effect(simulated(rng, 0.015), resamples=200) for _ in range(n)]
    rate = np.mean([effect.p < 0.05 for effect in found])
    # sd of the mean: sqrt(0.01²/4 + 0.03²/60)
    expected = power_of(0.015, np.sqrt(0.01**2 / 4 + 0.03**2 / 60), float(np.median([e.df for e in found])))
    assert rate == pytest.approx(expected, abs=0.08)
    covered = np.mean([effect.low <= 0.015 <= effect.high for effect in found])
    assert covered > 0.92


def test_documents_of_one_site_are_not_counted_as_independent() -> None:
    losses = simulated(np.random.default_rng(3), 0.0)
    alone = PairedLosses(losses.arm_bits, losses.baseline_bits, losses.bytes, np.arange(len(losses.bytes)))
    assert paired_effect(losses).document_variance > 2 * paired_effect(alone).document_variance


def test_holm_steps_down() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])


def test_detectable_effect_has_the_power_it_says() -> None:
    effect = smallest_detectable(0.01, 5.0, power=0.8)
    assert power_of(effect, 0.01, 5.0) == pytest.approx(0.8, abs=1e-6)
    assert power_of(0.0, 0.01, 5.0) == pytest.approx(0.05, abs=1e-6)


def test_more_seeds_help_until_the_documents_limit() -> None:
    few = seeds_needed(0.02, 1e-4, 1e-6, 50)
    more = seeds_needed(0.01, 1e-4, 1e-6, 50)
    assert few is not None
    assert more is not None
    assert few < more
    assert seeds_needed(0.01, 1e-4, 1e-3, 50) is None


def test_identical_arms_have_no_effect() -> None:
    losses = simulated(np.random.default_rng(0), 0.0)
    same = paired_effect(PairedLosses(losses.arm_bits, losses.arm_bits, losses.bytes, losses.clusters))
    assert (same.difference, same.p) == (0.0, 1.0)


def test_decisions_abstain() -> None:
    effect = effect_from(-0.02, 1e-6, 1e-6, 3, 50)
    assert decide(effect, 0.01) == "better"
    assert decide(effect, 0.2) == "undecided"


def test_transfer_counts_pairs_and_abstentions() -> None:
    large = np.array([[1.0, 1.01], [1.1, 1.11], [1.2, 1.21]])
    small = np.array([[2.0, 2.01], [2.3, 2.31], [2.2, 2.6]])
    found = transfer("60k", small, large)
    assert found.decision_accuracy == 1.0
    assert found.abstained > 0
    swapped = transfer("60k", small[[1, 0, 2]], large)
    assert swapped.decision_accuracy == pytest.approx(2 / 3)


def test_a_flip_over_learning_rates_is_seen() -> None:
    baseline = np.array([[2.0, 2.0], [1.9, 1.9], [2.1, 2.1]])
    arm = baseline + np.array([[-0.1], [0.05], [0.1]])
    sensitivity = learning_rate_sensitivity((0.5, 1.0, 2.0), baseline, arm)
    assert sensitivity.flips
    assert sensitivity.at_own_best == pytest.approx(0.0)
