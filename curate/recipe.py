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
from pydantic import BaseModel, ConfigDict, Field

from curate.expressions import Condition
from curate.nearest import nearest
from curate.placed_checks import validated
from curate.placed_yaml import Mistakes, Place, PlacedMapping, PlacedSequence, parse
from curate.placed_yaml import RecipeError as RecipeError
from curate.registry import registered, stage_class
from curate.stage import MapStage, Stage, StageParameters

BESIDE = {
    "label": "tells a second use apart",
    "where": "a condition over what stages before it have measured: the documents that the stage is for",
}
"""What a recipe may say of any stage beside its parameters."""

INPUT_KINDS = ("warc", "wet", "arc", "parquet", "jsonl", "html", "commoncrawl")


class Limits(BaseModel):
    """Bounds on what one record or one task may use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    record_cpu_seconds: float = Field(
        60.0, gt=0, description="CPU seconds that the fused stages may spend on one record before it is dead-lettered"
    )
    memory_mb: int = Field(2048, ge=64, description="memory that one task of a global stage plans for, in MiB")


class Header(BaseModel):
    """A recipe but for its stages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="what reports call it")
    input: dict[str, Any] = Field(min_length=1, description="kind of source → path, glob or URL; further keys: options")
    output: str = Field(min_length=1, description="the run's folder: a path or an fsspec URL")
    store: str | None = Field(None, description="folder of committed phases; default: `.phases` beside the output")
    limits: Limits = Limits()


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
            _set(raw, setting)
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
            _set(raw, setting)
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
    _change(base, raw, mistakes)
    return base


def _change(base: PlacedMapping, raw: PlacedMapping, mistakes: Mistakes) -> None:
    """`replace`, `remove`, `insert` and `set` of a recipe that extends another, in that order."""
    for label, stage in _typed(raw, "replace", PlacedMapping, "label → stage", mistakes).items():
        with mistakes.noted():
            place = raw["replace"].places[label]
            at = _index(base, label, place)
            base["stages"][at] = stage
            base["stages"].places[at] = place
    for label, place in _placed(_typed(raw, "remove", PlacedSequence, "a list of labels", mistakes)):
        with mistakes.noted():
            at = _index(base, label, place)
            del base["stages"][at], base["stages"].places[at]
    form = "a list of {before|after: label, stage: …}"
    for item, place in _placed(_typed(raw, "insert", PlacedSequence, form, mistakes)):
        with mistakes.noted():
            sides = [side for side in ("before", "after") if isinstance(item, dict) and side in item]
            if len(sides) != 1 or "stage" not in item or len(item) != 2:
                raise RecipeError(f"{place}: insert: an item is {{before|after: label, stage: …}}, not {item!r}")
            at = _index(base, item[sides[0]], place) + (sides[0] == "after")
            base["stages"].insert(at, item["stage"])
            base["stages"].places.insert(at, place)
    for key, value in _typed(raw, "set", PlacedMapping, "key.parameter → value", mistakes).items():
        with mistakes.noted():
            _assign(base, key, value, str(raw["set"].places[key]))


def _typed(raw: PlacedMapping, key: str, kind: type, form: str, mistakes: Mistakes) -> Any:
    """What the recipe changes under that key; nothing where there is no such key, or something else is noted."""
    value = raw.get(key)
    with mistakes.noted():
        if value is not None and not isinstance(value, kind):
            raise RecipeError(f"{raw.places[key]}: {key}: takes {form}, not {value!r}")
    return value if isinstance(value, kind) else kind()


def _placed(items: PlacedSequence) -> Sequence[tuple[Any, Place]]:
    return list(zip(items, items.places, strict=True)) if items else []


def _items(raw: PlacedMapping) -> list[Any]:
    """The stages as written; none where something else than a list stands for them, which is told later."""
    items = raw.get("stages")
    return items if isinstance(items, list) else []


def _index(raw: PlacedMapping, label: Any, place: object) -> int:
    labels = _labels(raw)
    hits = [i for i, each in enumerate(labels) if each == label]
    if not hits:
        hits = [i for i, item in enumerate(_items(raw)) if _name_of(item) == label]
    if len(hits) != 1:
        what = "no stage" if not hits else f"{len(hits)} stages"
        raise RecipeError(
            f"{place}: {what} labelled {label!r}{nearest(str(label), labels)}; there are: {', '.join(labels)}"
        )
    return hits[0]


def _name_of(item: Any) -> str:
    return next(iter(item), "") if isinstance(item, dict) else str(item)


def _labels(raw: PlacedMapping) -> list[str]:
    """Labels of the stages as written; mistakes are met later, with their place."""
    labels = []
    for item in _items(raw):
        name = _name_of(item)
        given = item.get(name) if isinstance(item, dict) else None
        given = dict(given) if isinstance(given, dict) else {}
        label = given.pop("label", None)
        given.pop("where", None)
        if label is None:
            try:
                label = stage_class(name).default_label(given)
            except (KeyError, ImportError):
                label = name
        labels.append(str(label))
    return labels


def _set(raw: PlacedMapping, setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals:
        raise RecipeError(f"--set {setting}: the form is key=value, such as gopher_quality.min_words=30")
    _assign(raw, key.strip(), parse(text, f"--set {key}"), f"--set {key}")


def _assign(raw: PlacedMapping, key: str, value: Any, where: str) -> None:
    head, _, rest = key.partition(".")
    place = Place(where, 0)
    if head in Header.model_fields:
        target: Any = raw
        names = key.split(".")
    else:
        if not rest:
            if key in _labels(raw):
                raise RecipeError(f"{where}: {key} is a stage; a parameter of it is set as {key}.NAME=value")
            known = [*Header.model_fields, *_labels(raw)]
            raise RecipeError(f"{where}: unknown key {key!r}{nearest(key, known)}; allowed: {', '.join(known)}")
        at = _index(raw, head, where) if head in _labels(raw) or _is_name(raw, head) else None
        if at is None:
            known = [*Header.model_fields, *_labels(raw)]
            raise RecipeError(f"{where}: no stage labelled {head!r}{nearest(head, known)}; allowed: {', '.join(known)}")
        stages = raw["stages"]
        name = _name_of(stages[at])
        given = stages[at].get(name) if isinstance(stages[at], dict) else None
        if given is not None and not isinstance(given, dict):
            raise RecipeError(f"{where}: {name} is written with {given!r} in place of its parameters")
        fresh = PlacedMapping(given or {})
        fresh.places = dict(getattr(given, "places", {}))
        outer = PlacedMapping({name: fresh})
        outer.places = {name: place}
        stages[at] = outer
        target, names = fresh, rest.split(".")
    for depth, name in enumerate(names[:-1], 1):
        found = target.get(name)
        if found is not None and not isinstance(found, dict):
            path = ".".join([*key.split(".")[: -len(names)], *names[:depth]])
            raise RecipeError(f"{where}: {path} is {found!r}, which has no {names[depth]!r}; set {path} itself")
        inner = PlacedMapping(found or {})
        inner.places = dict(getattr(target.get(name), "places", {}))
        target[name] = inner
        target.places[name] = place
        target = inner
    target[names[-1]] = value
    target.places[names[-1]] = place


def _is_name(raw: PlacedMapping, name: str) -> bool:
    return any(_name_of(item) == name for item in _items(raw))


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
        for item, place in _placed(items):
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
