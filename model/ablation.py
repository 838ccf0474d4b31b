"""What an ablation is: a base recipe, arms that change it, sizes, budgets, seeds, evaluation sets.

A YAML file flows in; a checked `Ablation` and the list of its training jobs flow out. Nothing is run here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

Regime = Literal["equal_tokens", "equal_pool"]

NULL, NOISE, DUPLICATES = "null", "planted_noise", "planted_duplicates"
"""Names of the control arms."""
CONTROLS = (NULL, NOISE, DUPLICATES)

DATA_SEED_OF_NULL = 10_000
"""Added to a seed for the null arm's document order: the same weights, the same documents, another order."""


class AblationError(ValueError):
    """The ablation file cannot be used; the message names the file, the key, what was found, what is allowed."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Arm(_Strict):
    """One change of the base recipe; empty: the base as it stands. The keys are those of a recipe that extends
    another (see docs/recipes.md)."""

    label: str = ""
    """How the report calls it; default: its name."""
    set: dict[str, Any] = {}
    remove: list[str] = []
    insert: list[dict[str, Any]] = []
    replace: dict[str, Any] = {}
    mix: dict[str, float] | Literal["natural"] | None = None
    """Shares of domains in training; the documents stay those of the base."""

    def changes(self) -> dict[str, Any]:
        """The recipe keys, without those that change nothing."""
        keys: dict[str, Any] = {k: getattr(self, k) for k in ("set", "remove", "insert", "replace")}
        return {key: value for key, value in keys.items() if value}


class Size(_Strict):
    """How one model size is trained."""

    tokens: int = Field(gt=0)
    """Largest budget, in tokens."""


class EvaluationSet(_Strict):
    """Frozen documents of one domain."""

    jsonl: str | list[str]
    """Files of JSON lines (may be .gz): `text`, and if there `id` and the cluster field."""
    cluster: str | None = None
    """Field whose equal values are resampled together; default: each document by itself."""
    where: dict[str, Any] = {}
    """Keep the lines whose fields have these values (or are among them, for a list)."""
    max_documents: int = 60
    max_bytes: int = 4096
    """Longer documents are cut at white space: many short ones tell more than few long ones."""


class HeldOut(_Strict):
    """Sites that no arm trains on, as an evaluation set of the crawl itself."""

    share: float = Field(0.1, gt=0, lt=0.5)
    """Share of sites, by the hash of the host."""
    arm: str
    """The arm whose documents of those sites are taken: one without filters, so that no filter chose them."""
    domain: str = "raw_web"
    max_documents: int = 60
    max_bytes: int = 4096


class Controls(_Strict):
    """Arms that test the instrument itself."""

    null_arm: bool = True
    """The baseline again with its documents in another order: must show nothing."""
    noise: float = Field(0.1, ge=0, lt=1)
    """Share of random tokens mixed into the baseline: must show. 0: no such arm."""
    duplicates: float = Field(0.5, ge=0, lt=1)
    """Share of the tokens that copies of 1 % of the documents make up: must show. 0: no such arm."""


class MixtureSearch(_Strict):
    """Proxy runs that look for the best mixture of the baseline's domains."""

    designs: int = Field(24, ge=8)
    """Proxy runs, each on a mixture of its own; the exponential law wants more than domains + 2 in four fifths."""
    size: str
    """One of the ablation's sizes."""
    tokens: int | None = None
    """Default: the size's budget."""
    max_epochs: float = Field(4.0, gt=0)
    """No domain repeats more often (Muennighoff et al. 2023)."""
    temperature: float = 0.5
    """Of the rival mixture ∝ tokens^temperature."""
    target: dict[str, float] = {}
    """Evaluation domain → weight; default: all alike."""
    seed: int = 0
    """Of the designs."""


class Ablation(_Strict):
    """An ablation, checked."""

    name: str
    base: str
    """The baseline's recipe, relative to this file."""
    input: dict[str, Any] | None = None
    """Instead of the recipe's input, for every arm."""
    workspace: str
    """Folder of everything that the ablation makes."""
    arms: dict[str, Arm] = {}
    """Arms beside the baseline."""
    controls: Controls = Controls()
    sizes: dict[str, Size] = Field(min_length=1)
    """Model size → budget; the last is the largest."""
    points: list[float] = [0.25, 0.5, 1.0]
    """Parts of a budget at which a model is read off: one trunk, a decay of its own for each."""
    seeds: list[int] = Field([0, 1, 2], min_length=2)
    regimes: list[Regime] = ["equal_tokens"]
    learning_rates: list[float] = []
    """Multipliers of the rule's learning rate, tried at the smallest size."""
    vocabulary: int = Field(4096, ge=320)
    tokenizer_arm: str = "baseline"
    """The arm whose documents the one tokenizer is trained on; an arm added later then changes no other."""
    length: int = 256
    batch_tokens: int = 8192
    optimiser: Literal["adamw", "muon"] = "adamw"
    """Muon learns more from few tokens, and two orders of the same documents end closer together: smaller effects show
    at the same cost (docs/results.md). AdamW is what most large models are trained with."""
    evaluation: dict[str, EvaluationSet] = {}
    held_out: HeldOut | None = None
    min_document_tokens: int = 16
    mixture: MixtureSearch | None = None

    @field_validator("points")
    @classmethod
    def _points(cls, points: list[float]) -> list[float]:
        if not points or sorted(set(points)) != points or points[-1] != 1.0 or points[0] <= 0:
            raise ValueError("points must rise, from above 0, and end with 1.0")
        return points

    @field_validator("arms")
    @classmethod
    def _names(cls, arms: dict[str, Arm]) -> dict[str, Arm]:
        taken = sorted(set(arms) & {"baseline", *CONTROLS})
        if taken:
            raise ValueError(f"{taken} are names of the ablation's own arms; choose others")
        return arms

    @model_validator(mode="after")
    def _evaluated(self) -> Ablation:
        if not self.evaluation and self.held_out is None:
            raise ValueError("an ablation needs evaluation sets: evaluation, held_out, or both")
        if len(self.all_arms()) == 1:
            raise ValueError("an ablation needs something to compare: arms, or controls that are not switched off")
        if self.mixture is not None and self.mixture.size not in self.sizes:
            raise ValueError(f"mixture.size {self.mixture.size!r} is none of sizes: {', '.join(self.sizes)}")
        return self

    def all_arms(self) -> list[str]:
        """Baseline, arms, controls, in the order of the report."""
        controls = self.controls
        wanted = {NULL: controls.null_arm, NOISE: controls.noise > 0, DUPLICATES: controls.duplicates > 0}
        return ["baseline", *self.arms, *(name for name, on in wanted.items() if on)]


def read(path: Path, changes: Mapping[str, Any] | None = None) -> Ablation:
    """The ablation in a file. Paths in it are relative to the current folder, `base` to the file."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise AblationError(f"{path}: cannot be read: {error}") from None
    if not isinstance(raw, dict):
        raise AblationError(f"{path}: an ablation is a mapping with the keys {', '.join(Ablation.model_fields)}")
    raw = {**raw, **(changes or {})}
    arms = raw.get("arms") or {}
    raw["arms"] = {name: arm or {} for name, arm in arms.items()} if isinstance(arms, dict) else arms
    try:
        ablation = Ablation.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        allowed = ""
        if first["type"] == "extra_forbidden":
            allowed = f"; allowed at the top: {', '.join(Ablation.model_fields)}"
        raise AblationError(f"{path}: {key}: {first['msg']} (given: {str(first['input'])[:80]!r}){allowed}") from None
    return ablation.model_copy(update={"base": str(path.parent / ablation.base)})


# ---------------------------------------------------------------------------------------- jobs


@dataclass(frozen=True)
class Job:
    """One training run: an arm at a size with a seed, read off at several budgets."""

    arm: str
    size: str
    seed: int
    regime: Regime
    tokens: int
    learning_rate_multiplier: float = 1.0

    @property
    def title(self) -> str:
        rate = "" if self.learning_rate_multiplier == 1 else f" lr×{self.learning_rate_multiplier:g}"
        return f"{self.arm} {self.size} seed {self.seed} {self.regime}{rate}"


def jobs_of(ablation: Ablation, unique_tokens: Mapping[str, int]) -> list[Job]:
    """Every training run, small ones first (so that a first report is there early).

    equal_tokens: every arm has the size's budget. equal_pool: every arm makes as many passes over what it kept as
    the baseline does, so an arm that kept half the pool trains half as long.
    """
    jobs = []
    for position, (name, size) in enumerate(ablation.sizes.items()):
        for regime in ablation.regimes:
            for seed in ablation.seeds:
                for arm in ablation.all_arms():
                    share = 1.0 if regime == "equal_tokens" else unique_tokens[arm] / unique_tokens["baseline"]
                    tokens = max(round(size.tokens * share), int(ablation.batch_tokens / ablation.points[0]) + 1)
                    jobs.append(Job(arm, name, seed, regime, tokens))
        if position == 0:
            rates = [rate for rate in ablation.learning_rates if rate != 1.0]
            arms = ["baseline", *ablation.arms]
            jobs += [
                Job(arm, name, seed, "equal_tokens", size.tokens, rate)
                for rate in rates
                for seed in ablation.seeds
                for arm in arms
            ]
    return jobs


def key_of(value: Mapping[str, Any]) -> str:
    """16 hex digits of a JSON value: what depends on equal things has an equal name, and is done once."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
