"""`python -m curate stages [NAME]`: every stage and parameter, from the models that check a recipe."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from curate.commands import UsageError
from curate.nearest import nearest
from curate.recipe import BESIDE, Header
from curate.registry import registered, stage_class
from curate.stage import Stage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="one stage")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--schema", action="store_true", help="the JSON schema of a recipe, for editors")
    parser.add_argument("--markdown", action="store_true", help="docs/stages.md, of the built-in stages")


def run(args: argparse.Namespace) -> int:
    if args.schema:
        print(json.dumps(recipe_schema(), indent=1))
        return 0
    if args.markdown:
        from curate.commands.stages_page import page

        print(page(), end="")
        return 0
    names = sorted(registered())
    if args.name is not None and args.name not in names:
        raise UsageError(f"unknown stage {args.name!r}{nearest(args.name, names)}; allowed: {', '.join(names)}")
    described = [describe(kind, name) for name, kind in _loaded([args.name] if args.name else names)]
    if not described:
        return 1
    if args.json:
        print(json.dumps(described, indent=1))
        return 0
    for stage in described:
        print(f"{stage['name']}: {stage['summary']}")
        by = None
        for each in stage["parameters"]:
            if each["with_by"] != by:
                by = each["with_by"]
                print(f"  by: {by}")
            if by is None or each["name"] != "by":
                print(f"    {_line(each)}")
    return 0


def _loaded(names: list[str]) -> Iterator[tuple[str, type[Stage]]]:
    """The stages that can be loaded; a package of somebody else's that is broken is named, and is no obstacle."""
    for name in names:
        try:
            yield name, stage_class(name)
        except ImportError as error:
            print(f"error: the stage {name!r} cannot be loaded: {error}", file=sys.stderr)


def _line(each: dict[str, Any]) -> str:
    """A parameter on one line: what it is, how it is given, where its default comes from."""
    value = "(required)" if each["required"] else f"= {json.dumps(each['default'], ensure_ascii=False)}"
    unit = f" {each['unit']}" if each["unit"] else ""
    doc = f": {each['doc']}" if each["doc"] else ""
    choices = f" (one of {', '.join(each['allowed'])})" if each["allowed"] else ""
    source = f"  [{each['source']}]" if each["source"] else ""
    return f"{each['name']} {value}{unit}{doc}{choices}{source}"


def describe(kind: type[Stage], name: str) -> dict[str, Any]:
    """A stage as data: its parameters with default, unit, source and type."""
    summary = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    sets = kind.Parameters.sets()
    several = len(sets) > 1
    parameters = [
        _parameter(key, info) | {"with_by": each.model_fields["by"].default if several else None}
        for each in sets
        for key, info in each.model_fields.items()
    ]
    return {"name": name, "summary": summary, "reads": list(kind.reads), "parameters": parameters}


def allowed(info: FieldInfo) -> list[str]:
    """The words that a parameter can have, where it is one of a few and its description does not name them."""
    words = [str(each) for each in get_args(info.annotation)] if get_origin(info.annotation) is Literal else []
    return words if any(word not in (info.description or "") for word in words) else []


def _parameter(name: str, info: FieldInfo) -> dict[str, Any]:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    return {
        "name": name,
        "type": str(info.annotation).removeprefix("<class '").removesuffix("'>"),
        "default": json.loads(json.dumps(default, default=_json)),
        "required": info.is_required(),
        "allowed": allowed(info),
        "unit": extra.get("unit"),
        "source": extra.get("source"),
        "role": extra.get("role", "measure"),
        "doc": info.description or "",
    }


def _json(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else sorted(map(str, value))


def recipe_schema() -> dict[str, Any]:
    """The JSON schema of a recipe, from the same models that check it."""
    definitions: dict[str, Any] = {}
    uses: list[dict[str, Any]] = []
    for name, kind in _loaded(sorted(registered())):
        schema = kind.Parameters.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= schema.pop("$defs", {})
        if "properties" in schema or schema.get("type") == "object":
            beside = {key: {"type": "string", "description": doc} for key, doc in BESIDE.items()}
            schema.setdefault("properties", {}).update(beside)
        definitions[f"stage:{name}"] = schema
        reference = {"anyOf": [{"$ref": f"#/$defs/stage:{name}"}, {"type": "null"}]}
        uses.append({"const": name})
        uses.append(
            {"type": "object", "properties": {name: reference}, "required": [name], "additionalProperties": False}
        )
    header = Header.model_json_schema(ref_template="#/$defs/{model}")
    definitions |= header.pop("$defs", {})
    properties = header["properties"] | {
        "stages": {"type": "array", "minItems": 1, "items": {"anyOf": uses}},
        "extends": {"type": "string", "description": "a recipe that this one changes"},
        "set": {"type": "object", "description": "label.parameter → value"},
        "remove": {"type": "array", "items": {"type": "string"}},
        "replace": {"type": "object", "description": "label → stage"},
        "insert": {"type": "array", "items": {"type": "object"}, "description": "{before|after: label, stage: …}"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "curate recipe",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "$defs": definitions,
    }
