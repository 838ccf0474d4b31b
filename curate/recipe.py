"""YAML → a typed recipe. Its mistakes are answered all at once, each with the file, the line, the key, what was given,
what is allowed, and the nearest right name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from curate.expressions import Condition
from curate.nearest import nearest
from curate.placed_checks import validated
from curate.placed_yaml import Mistakes, Place, PlacedMapping, PlacedSequence, parse, with_places
from curate.placed_yaml import RecipeError as RecipeError
from curate.recipe_changes import change, change_one
from curate.recipe_keys import BESIDE as BESIDE
from curate.recipe_keys import Header as Header
from curate.registry import registered, stage_class
from curate.stage import MapStage, Stage, StageParameters


@dataclass(frozen=True)
class Recipe:
    """A recipe, checked."""

    header: Header
    stages: tuple[Stage, ...]

    @property
    def store(self) -> str:
        """Folder of the phase store."""
        if self.header.store is not None:
            return self.header.store
        parent, _, _ = self.header.output.rstrip("/").rpartition("/")
        return f"{parent}/.phases" if parent else ".phases"

    def resolved(self) -> dict[str, Any]:
        """Everything written out, defaults included."""
        stages = [{stage.name: _beside(stage) | stage.parameters.model_dump(mode="json")} for stage in self.stages]
        return self.header.model_dump(mode="json") | {"stages": stages}

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.resolved(), sort_keys=False, allow_unicode=True)

    def hash(self) -> str:
        """Of what the answer depends on: not of where it goes."""
        value = {k: v for k, v in self.resolved().items() if k not in ("output", "store", "name")}
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _beside(stage: Stage) -> dict[str, str]:
    """What a recipe says of a stage beside its parameters."""
    label = {"label": stage.label} if stage.label != stage.name else {}
    return label | ({"where": stage.where.rule} if stage.where is not None else {})


# ---------------------------------------------------------------------------------------- loading


def load(path: str | Path, settings: Sequence[str] = (), output: str | None = None) -> Recipe:
    """The recipe in a file, with `--set key=value` applied. RecipeError if anything is wrong."""
    mistakes = Mistakes()
    raw = _extended(Path(path), mistakes)
    for setting in settings:
        with mistakes.noted():
            change_one(raw, setting)
    if output is not None:
        raw["output"] = output
    return _recipe(raw, str(path), mistakes)


def load_resolved(text: str, name: str, settings: Sequence[str] = ()) -> Recipe:
    """The recipe that a run's folder keeps, given as text, with `--set key=value` applied. RecipeError if it cannot be
    read here, for want of a stage or of a file that it names."""
    mistakes = Mistakes()
    raw = _mapping(text, name)
    for setting in settings:
        with mistakes.noted():
            change_one(raw, setting)
    return _recipe(raw, name, mistakes)


def _read(path: Path) -> PlacedMapping:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{path}: there is no such recipe file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from None
    return _mapping(text, str(path))


def _mapping(text: str, name: str) -> PlacedMapping:
    raw = parse(text, name)
    if not isinstance(raw, PlacedMapping):
        raise RecipeError(f"{name}: a recipe is a mapping with the keys {', '.join(_top_keys())}")
    return raw


def _extended(path: Path, mistakes: Mistakes, chain: tuple[Path, ...] = ()) -> PlacedMapping:
    """A recipe's mapping, after those that it extends. Changes that cannot be made are noted and left out."""
    if path.resolve() in chain:
        raise RecipeError(f"{path}: extends itself, by way of {' → '.join(p.name for p in chain)}")
    raw = _read(path)
    if "extends" not in raw:
        changes = [key for key in ("set", "remove", "insert", "replace") if key in raw]
        if changes:
            raise RecipeError(
                f"{raw.places[changes[0]]}: {changes[0]!r} changes a recipe that `extends:` names; none does"
            )
        return raw
    place = raw.places["extends"]
    if not isinstance(raw["extends"], str):
        raise RecipeError(f"{place}: extends: takes the path of a recipe, not {raw['extends']!r}")
    extended = path.parent / raw["extends"]
    if not extended.exists():
        raise RecipeError(f"{place}: extends: {extended}: no such recipe; the path is taken from this recipe's folder")
    base = _extended(extended, mistakes, (*chain, path.resolve()))
    for key, value in raw.items():
        if key not in ("extends", "set", "remove", "insert", "replace"):
            base[key] = value
            base.places[key] = raw.places[key]
    change(base, raw, mistakes)
    return base


# ---------------------------------------------------------------------------------------- checking


def _top_keys() -> list[str]:
    return [*Header.model_fields, "stages", "extends"]


def _recipe(raw: PlacedMapping, file: str, mistakes: Mistakes) -> Recipe:
    """The recipe. RecipeError if anything is wrong in it, or has been noted before."""
    header: BaseModel | None = None
    with mistakes.noted():
        known = [key for key in raw if key in Header.model_fields]
        header = validated(Header, {key: raw[key] for key in known}, raw, file, "")
    for key in raw:
        with mistakes.noted():
            if key not in _top_keys():
                near = nearest(key, _top_keys())
                raise RecipeError(f"{raw.places[key]}: unknown key {key!r}{near}; allowed: {', '.join(_top_keys())}")
    stages: list[Stage] = []
    seen: dict[str, Place] = {}
    with mistakes.noted():
        items = raw.get("stages")
        if not isinstance(items, PlacedSequence) or not items:
            raise RecipeError(f"{raw.places.get('stages', file)}: stages: takes a list of stages, not {items!r}")
        for item, place in with_places(items):
            with mistakes.noted():
                stages.append(_stage(item, place))
                _tell_apart(stages[-1].label, place, seen)
    mistakes.tell()
    assert isinstance(header, Header)
    return Recipe(header, tuple(stages))


def _tell_apart(label: str, place: Place, seen: dict[str, Place]) -> None:
    """Adds a label to those seen. RecipeError if it is taken."""
    if label in seen:
        raise RecipeError(
            f"{place}: the label {label!r} is taken by the stage at {seen[label]}; "
            "tell the second use apart with label:"
        )
    seen[label] = place


def _stage(item: Any, place: Place) -> Stage:
    """The stage that an item of `stages:` is. RecipeError with all that is wrong in it."""
    if isinstance(item, str):
        name, given = item, PlacedMapping()
        given.places = {}
    elif isinstance(item, PlacedMapping) and len(item) == 1:
        name, given = next(iter(item.items()))
        place = item.places[name]
        if given is None:
            given = PlacedMapping()
            given.places = {}
    else:
        raise RecipeError(f"{place}: a stage is a name, or one name with its parameters, not {item!r}")
    names = sorted(registered())
    if name not in names:
        raise RecipeError(f"{place}: unknown stage {name!r}{nearest(name, names)}; allowed: {', '.join(names)}")
    if not isinstance(given, PlacedMapping):
        raise RecipeError(f"{place}: {name}: takes parameters as key: value, not {given!r}")
    try:
        kind = stage_class(name)
    except ImportError as error:
        raise RecipeError(f"{place}: the stage {name!r} cannot be loaded: {error}") from error
    mistakes = Mistakes()
    values = {key: value for key, value in given.items() if key not in BESIDE}
    label = given.get("label")
    called = str(label or name)
    parameters: BaseModel | None = None
    condition: Condition | None = None
    with mistakes.noted():
        if label is not None and not (isinstance(label, str) and label.replace("_", "a").replace("-", "a").isalnum()):
            raise RecipeError(f"{given.places['label']}: {name}.label: takes letters, digits, _ and -, not {label!r}")
    with mistakes.noted():
        parameters = validated(kind.Parameters.chosen(values), values, given, str(place), f"{called}.", place)
    with mistakes.noted():
        if given.get("where") is not None:
            condition = _condition(given["where"], f"{given.places['where']}: {called}.where")
    mistakes.tell()
    assert isinstance(parameters, StageParameters)
    try:
        stage = kind(parameters, label)
    except (ValueError, OSError) as error:
        raise RecipeError(f"{place}: {called}: {error}") from error
    if condition is not None:
        _check_for_some(stage, condition, f"{given.places['where']}: {called}.where")
        stage.where = condition
    return stage


def _condition(rule: Any, key: str) -> Condition:
    """What `where:` says. RecipeError if it cannot be read."""
    if not isinstance(rule, str):
        raise RecipeError(f"{key}: takes a condition in quotes, such as \"language == 'en'\", not {rule!r}")
    try:
        return Condition(rule)
    except ValueError as error:
        raise RecipeError(f"{key}: {error}") from None


def _check_for_some(stage: Stage, condition: Condition, key: str) -> None:
    """RecipeError if the stage cannot be for the documents of the condition alone."""
    if not isinstance(stage, MapStage) or stage.parts() != (stage,):
        raise RecipeError(f"{key}: {stage.name} decides over the whole collection, so it is for all documents or none")
    if stage.checkpoint or stage.removes():
        raise RecipeError(f"{key}: stages after {stage.name} need what it writes, so it is for all documents")
    own = [name for name in condition.columns if name in (stage.label, *stage.writes())]
    if own:
        raise RecipeError(
            f"{key}: {own[0]!r} is what the stage itself writes; a condition asks what stages before it did"
        )
