"""YAML as plain data that knows where it stands: each key and item with its file and line, for errors that name the
place. Tags that ask for more than data are refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml


class RecipeError(ValueError):
    """A recipe or a `--set` is wrong; the message has a line for each mistake, which says where, what was given, what
    is allowed."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__(*mistakes)
        self.mistakes = mistakes

    def __str__(self) -> str:
        return "\n".join(self.mistakes)


class Mistakes:
    """What is wrong in a recipe, collected, so that all of it is told at once."""

    def __init__(self) -> None:
        self._found: list[str] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Keeps the mistakes that end the block."""
        try:
            yield
        except RecipeError as error:
            self._found += error.mistakes

    def tell(self) -> None:
        """RecipeError if there was any."""
        if self._found:
            raise RecipeError(*dict.fromkeys(self._found))


@dataclass(frozen=True)
class Place:
    """A line of a file, or of the command line (line 0)."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class PlacedMapping(dict[str, Any]):
    """A mapping that knows where its keys stand."""

    places: dict[str, Place]


class PlacedSequence(list[Any]):
    """A sequence that knows where its items stand."""

    places: list[Place]


def with_places(items: PlacedSequence) -> Sequence[tuple[Any, Place]]:
    """The items, each with its place."""
    return list(zip(items, items.places, strict=True)) if items else []


def parse(text: str, file: str) -> Any:
    """The data in a YAML text. RecipeError if it is not YAML, or more than data."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = Place(file, mark.line + 1 if mark else 0)
        raise RecipeError(f"{place}: not YAML: {getattr(error, 'problem', error)}") from None
    return None if node is None else _value(node, file)


def _value(node: yaml.Node, file: str) -> Any:
    if node.tag.partition(":")[0] != "tag" or "python" in node.tag:
        place = Place(file, node.start_mark.line + 1)
        raise RecipeError(f"{place}: the tag {node.tag} asks for more than data; only plain YAML values are allowed")
    if isinstance(node, yaml.MappingNode):
        mapping = PlacedMapping()
        mapping.places = {}
        for key_node, value_node in node.value:
            place = Place(file, key_node.start_mark.line + 1)
            key = _value(key_node, file)
            if not isinstance(key, str):
                raise RecipeError(f"{place}: a key must be a word, not {key!r}")
            if key in mapping:
                raise RecipeError(f"{place}: the key {key!r} stands twice in one mapping")
            mapping[key] = _value(value_node, file)
            mapping.places[key] = place
        return mapping
    if isinstance(node, yaml.SequenceNode):
        sequence = PlacedSequence(_value(item, file) for item in node.value)
        sequence.places = [Place(file, item.start_mark.line + 1) for item in node.value]
        return sequence
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node)
    except yaml.YAMLError as error:
        place = Place(file, node.start_mark.line + 1)
        raise RecipeError(f"{place}: {getattr(error, 'problem', error)}; only plain YAML values are allowed") from None
