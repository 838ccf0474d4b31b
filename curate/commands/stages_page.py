"""`python -m curate stages --markdown`: docs/stages.md, made from the stages themselves.

What a stage measures is asked of the stage: it is given one made page, and the fields of its signals are what comes
back. So the page cannot say what the code does not do.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.commands.stages import allowed
from curate.documents import PAGE
from curate.registry import stage_class
from curate.rules import Rule
from curate.stage import MapStage, Shared, Stage, StageParameters
from curate.stages import BUILT_IN

HEAD = """# Stages

Every stage that a recipe may name, as `python -m curate stages --markdown` writes this page. `python -m curate stages
NAME` prints one of them, also those of packages that you have installed. How a recipe uses them: [recipes](recipes.md).

*Signals* are the fields of the column that bears the stage's name (or its `label:`); `custom`, `where:` and SQL know
them as `gopher_quality.words`. A *rule* is tried in the order given, and its name is what the ledger says of a document
that it drops. A change of a parameter marked **decides** needs no new measuring: `what-if` answers it from stored
signals. Every stage takes `label:` and, unless it decides over the whole collection, `where:`.
"""

FAMILIES = {
    "extract": "From pages to texts",
    "language": "Language",
    "filters": "Filters",
    "safety": "Safety and opt-outs",
    "privacy": "Personal data",
    "quality": "Quality and domains",
    "dedup": "Duplicates",
    "mix": "Mixing",
    "tokens": "Tokens",
    "output": "Output",
}
"""Folder of curate/stages → its heading, in the order in which a document meets them."""

TEXT = "The river runs by the old mill. It is said that the stones were laid in winter, and that they have held.\n" * 3
HTML = f"<html lang=en><head><title>A mill</title></head><body><main><p>{TEXT}</p></main></body></html>"


def page() -> str:
    """The page."""
    with tempfile.TemporaryDirectory() as scratch:
        known = _examples(Path(scratch))
        lines = [HEAD]
        for family, heading in FAMILIES.items():
            names = sorted(name for name, place in BUILT_IN.items() if place.split(".")[2] == family)
            lines += [f"- {heading}: " + ", ".join(f"[{name}](#{name})" for name in names)]
        for family, heading in FAMILIES.items():
            lines += ["", f"## {heading}"]
            for name in sorted(name for name, place in BUILT_IN.items() if place.split(".")[2] == family):
                lines += ["", *_stage(name, known.get(name, {}))]
    return "\n".join(lines) + "\n"


def _examples(folder: Path) -> dict[str, dict[str, Any]]:
    """Values for parameters without a default."""
    words, questions, table, lists = (folder / name for name in ("words", "questions.jsonl", "table.json", "lists"))
    words.write_text("weasel\n", encoding="utf-8")
    questions.write_text(json.dumps({"text": TEXT}) + "\n", encoding="utf-8")
    table.write_text('{"limits": {}}', encoding="utf-8")
    (lists / "adult").mkdir(parents=True)
    (lists / "adult" / "domains").write_text("adult.example\n", encoding="utf-8")
    return {
        "c4_bad_words": {"words": str(words)},
        "classify": {"model": "domain"},
        "custom": {"rule": "language_score >= 0.5"},
        "datatrove": {"step": "GopherQualityFilter"},
        "decontaminate": {"benchmarks": [str(questions)]},
        "language_prescreen": {"keep": ["en"]},
        "language_thresholds": {"table": str(table)},
        "url_safety": {"lists": str(lists)},
    }


def _stage(name: str, given: dict[str, Any]) -> Iterator[str]:
    kind = stage_class(name)
    sets = kind.Parameters.sets()
    stage = kind(sets[0](**given))
    yield f"### {name}"
    yield ""
    yield " ".join((kind.__doc__ or "").split())
    yield ""
    yield _traits(stage, sets)
    signals, rules = _signals(stage), list(stage.rules()) if isinstance(stage, MapStage) else []
    if signals and "Signals:" not in (kind.__doc__ or ""):
        yield ""
        yield "Signals: " + ", ".join(f"`{each}`" for each in signals)
    if rules and name not in ("custom", "datatrove"):
        yield ""
        yield from _rules(rules, stage.parameters)
    shared = _shared(sets)
    for each in sets:
        own = [key for key in each.model_fields if key not in shared]
        if len(sets) > 1:
            yield ""
            yield f"`by: {each.model_fields['by'].default}`" + (":" if own != ["by"] else "")
        yield from _parameters(each, [key for key in own if key != "by" or len(sets) == 1])
    if shared:
        yield ""
        yield "with each of them:"
        yield from _parameters(sets[0], shared)


def _shared(sets: Any) -> list[str]:
    """Parameters that are the same in all sets, where there are several."""
    if len(sets) == 1:
        return []
    first = sets[0].model_fields
    return [key for key in first if all(_same(first, other.model_fields, key) for other in sets[1:])]


def _same(one: Any, other: Any, key: str) -> bool:
    return key in other and (one[key].default, one[key].description) == (other[key].default, other[key].description)


def _traits(stage: Stage, sets: Any) -> str:
    each = [type(stage)(one()) for one in sets] if len(sets) > 1 else [stage]
    written = [*dict.fromkeys(column for one in each for column in one.writes() if column != stage.label)]
    alone = isinstance(stage, MapStage) and stage.parts() == (stage,)
    said = [
        "Decides on each document alone." if alone else "Decides over the whole collection.",
        f"Reads {_listed(stage.reads)}.",
        f"Writes {_listed(written)}." if written else "",
        "May change the text." if getattr(stage, "changes_text", False) else "",
    ]
    return " ".join(filter(None, said))


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _signals(stage: Stage) -> list[str]:
    """Fields of the struct that the stage measures on a made page."""
    if not isinstance(stage, MapStage) or stage.name in ("custom", "datatrove", "language_thresholds"):
        return []
    stage.open()
    row: dict[str, Any] = {"id": "0" * 32, "url": "https://mill.example/", "source": "made", "html": HTML, "text": TEXT}
    schema = pa.schema([*PAGE, pa.field("text", pa.string()), pa.field("title", pa.string())])
    columns = {field.name: pa.array([row.get(field.name)], field.type) for field in schema}
    del columns["text" if "html" in stage.reads else "html"]
    batch = pa.RecordBatch.from_pydict(columns)
    made = stage.process(batch, Shared()).batch
    if stage.label not in made.schema.names or not pa.types.is_struct(made.schema.field(stage.label).type):
        return []
    return [field.name for field in made.schema.field(stage.label).type]


def _rules(rules: list[Rule], parameters: StageParameters) -> Iterator[str]:
    yield "| rule | keeps a document if |"
    yield "|---|---|"
    for rule in rules:
        bound = f"`{rule.parameter}`" if rule.parameter else f"`{rule.threshold}`"
        if rule.parameter and getattr(parameters, rule.parameter) != rule.threshold:
            bound = f"what {bound} makes of it"
        condition = f"{rule.keep} {bound}" if rule.threshold != () else "is null"
        yield f"| `{rule.name}` | `{rule.signal}` {condition} |"


def _parameters(model: type[StageParameters], names: list[str]) -> Iterator[str]:
    if not names:
        return
    yield ""
    yield "| parameter | default | meaning |"
    yield "|---|---|---|"
    for name in names:
        field = model.model_fields[name]
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        value = "required" if field.is_required() else f"`{json.dumps(_plain(field), ensure_ascii=False)}`"
        unit = f" {extra['unit']}" if extra.get("unit") else ""
        source = f" *[{extra['source']}]*" if extra.get("source") else ""
        decides = " **decides**" if extra.get("role") == "decide" else ""
        choices = f" ({', '.join(f'`{each}`' for each in allowed(field))})" if allowed(field) else ""
        yield f"| `{name}` | {value}{unit} | {_cell(field.description or '')}{choices}{_cell(source)}{decides} |"


def _plain(field: Any) -> Any:
    value = field.get_default(call_default_factory=True)
    return json.loads(json.dumps(value, default=lambda v: sorted(map(str, v))))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
