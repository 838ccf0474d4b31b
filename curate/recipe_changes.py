"""Changes to a recipe as it is written: those of a recipe that extends another, and `--set key=value`.

In goes a recipe's mapping with the places of its keys, and it is changed; a change that cannot be made is a RecipeError
that names its place.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from curate.nearest import nearest
from curate.placed_yaml import Mistakes, Place, PlacedMapping, PlacedSequence, RecipeError, parse, with_places
from curate.recipe_keys import Header
from curate.registry import stage_class


def change(base: PlacedMapping, raw: PlacedMapping, mistakes: Mistakes) -> None:
    """`replace`, `remove`, `insert` and `set` of a recipe that extends another, in that order."""
    for label, stage in _typed(raw, "replace", PlacedMapping, "label → stage", mistakes).items():
        with mistakes.noted():
            place = raw["replace"].places[label]
            at = _index(base, label, place)
            base["stages"][at] = stage
            base["stages"].places[at] = place
    for label, place in with_places(_typed(raw, "remove", PlacedSequence, "a list of labels", mistakes)):
        with mistakes.noted():
            at = _index(base, label, place)
            del base["stages"][at], base["stages"].places[at]
    form = "a list of {before|after: label, stage: …}"
    for item, place in with_places(_typed(raw, "insert", PlacedSequence, form, mistakes)):
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


def change_one(raw: PlacedMapping, setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals:
        raise RecipeError(f"--set {setting}: the form is key=value, such as gopher_quality.min_words=30")
    _assign(raw, key.strip(), parse(text, f"--set {key}"), f"--set {key}")


def _assign(raw: PlacedMapping, key: str, value: Any, where: str) -> None:
    head, _, rest = key.partition(".")
    place = Place(where, 0)
    names = key.split(".")
    path, target = "", raw
    if head not in Header.model_fields:
        known = [*Header.model_fields, *_labels(raw)]
        is_stage = head in _labels(raw) or any(_name_of(item) == head for item in _items(raw))
        if not rest:
            if key in _labels(raw):
                raise RecipeError(f"{where}: {key} is a stage; a parameter of it is set as {key}.NAME=value")
            raise RecipeError(f"{where}: unknown key {key!r}{nearest(key, known)}; allowed: {', '.join(known)}")
        if not is_stage:
            raise RecipeError(f"{where}: no stage labelled {head!r}{nearest(head, known)}; allowed: {', '.join(known)}")
        at = _index(raw, head, where)
        stage = raw["stages"][at]
        name = _name_of(stage)
        given = stage.get(name) if isinstance(stage, dict) else None
        if given is not None and not isinstance(given, dict):
            raise RecipeError(f"{where}: {name} is written with {given!r} in place of its parameters")
        target = _copy(given)
        raw["stages"][at] = PlacedMapping({name: target})
        raw["stages"][at].places = {name: place}
        path, names = f"{head}.", names[1:]
    for name, inner in pairwise(names):
        path += name
        found = target.get(name)
        if found is not None and not isinstance(found, dict):
            raise RecipeError(f"{where}: {path} is {found!r}, which has no {inner!r}; set {path} itself")
        target[name] = _copy(found)
        target.places[name] = place
        target = target[name]
        path += "."
    target[names[-1]] = value
    target.places[names[-1]] = place


def _copy(found: dict[str, Any] | None) -> PlacedMapping:
    """The mapping, empty for none, with its places, so that a change leaves the one that another recipe shares."""
    copied = PlacedMapping(found or {})
    copied.places = dict(getattr(found, "places", {}))
    return copied
