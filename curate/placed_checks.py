"""Values of a placed YAML checked by a pydantic model: every mistake is answered with its place, the key, what was
given, what is allowed, and the nearest right name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

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
    place, the key, what was given, what is allowed and the nearest right name."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        location = [str(part) for part in first["loc"]]
        where = _find(raw, location) or place or Place(file, 0)
        key = prefix + ".".join(location)
        allowed = _fields(model, location)
        if first["type"] == "extra_forbidden":
            name = location[-1]
            raise RecipeError(
                f"{where}: unknown key {key!r}{nearest(name, allowed)}; "
                f"allowed: {', '.join(allowed) or 'no parameters'}"
            ) from None
        if first["type"] == "missing":
            raise RecipeError(f"{where}: the key {key!r} is missing; {_describe(model, location)}") from None
        message = first["msg"].removeprefix("Value error, ")
        message = message[0].lower() + message[1:]
        if first["type"] in ("list_type", "tuple_type"):
            message = f"a list is needed, such as [{first['input']}]"
        if first["type"] == "dict_type":
            message = "a mapping is needed, key: value"
        given = f"{first['input']!r} was given; " if location else ""
        described = _describe(model, location)
        raise RecipeError(
            f"{where}: {key.rstrip('.')}: {given}{message}{f' ({described})' if described else ''}"
        ) from None


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


def nearest(word: str, words: Sequence[str]) -> str:
    """`; did you mean …?`, or nothing where no word is near."""
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
