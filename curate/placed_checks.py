"""Values of a placed YAML checked by a pydantic model: every mistake is answered with its place, the key, what was
given, what is allowed, and the nearest right name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from curate.nearest import nearest
from curate.placed_yaml import Place, PlacedMapping, RecipeError


def validated(
    model: type[BaseModel],
    values: Mapping[str, Any],
    raw: PlacedMapping,
    file: str,
    prefix: str,
    place: Place | None = None,
) -> BaseModel:
    """The values as a model. `raw`: where they stand; `prefix`: what a message puts before a key. RecipeError names the
    place, the key, what was given, what is allowed and the nearest right name, of each mistake."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        mistakes: dict[tuple[str, ...], str] = {}
        for found in error.errors(include_url=False):
            location = [str(part) for part in found["loc"]]
            # Of a value that could be of several kinds, each kind has its own complaint: the first is told.
            mistakes.setdefault(_key(raw, location), _told(model, found, location, raw, file, prefix, place))
        raise RecipeError(*mistakes.values()) from None


def _told(
    model: type[BaseModel],
    found: Any,
    location: list[str],
    raw: PlacedMapping,
    file: str,
    prefix: str,
    place: Place | None,
) -> str:
    """One of pydantic's complaints, as a recipe's reader is told of it."""
    where = _find(raw, location) or place or Place(file, 0)
    key = prefix + ".".join(location)
    allowed = _fields(model, location)
    if found["type"] == "extra_forbidden":
        near = nearest(location[-1], allowed)
        return f"{where}: unknown key {key!r}{near}; allowed: {', '.join(allowed) or 'no parameters'}"
    if found["type"] == "missing":
        return f"{where}: the key {key!r} is missing; {_describe(model, location)}"
    message = found["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if found["type"] in ("list_type", "tuple_type"):
        message = f"a list is needed, such as [{found['input']}]"
    if found["type"] == "dict_type":
        message = "a mapping is needed, key: value"
    given = f"{found['input']!r} was given; " if location else ""
    described = _describe(model, location)
    return f"{where}: {key.rstrip('.')}: {given}{message}{f' ({described})' if described else ''}"


def _key(raw: Any, location: Sequence[str]) -> tuple[str, ...]:
    """The part of a location that is keys of the YAML; what is missing there counts."""
    for depth, name in enumerate(location):
        if not isinstance(raw, PlacedMapping):
            return tuple(location[:depth])
        if name not in raw:
            return tuple(location[: depth + 1])
        raw = raw[name]
    return tuple(location)


def _find(raw: Any, location: Sequence[str]) -> Place | None:
    place = None
    for name in location:
        if isinstance(raw, PlacedMapping) and name in raw.places:
            place, raw = raw.places[name], raw[name]
        else:
            break
    return place


def _fields(model: type[BaseModel], location: Sequence[str]) -> list[str]:
    """Keys allowed beside the last name of a location."""
    current: Any = model
    for name in location[:-1]:
        info = current.model_fields.get(name) if hasattr(current, "model_fields") else None
        current = info.annotation if info is not None else None
    return sorted(current.model_fields) if hasattr(current, "model_fields") else []


def _describe(model: type[BaseModel], location: Sequence[str]) -> str:
    info = model.model_fields.get(location[0]) if location else None
    return info.description or "" if info is not None else ""
