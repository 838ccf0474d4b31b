"""A phase of a plan, and the key that names what it computes.

A phase is either map stages fused over shards, or one global stage. Its key is a hash of everything that its
output depends on: what came before it, the stages' parameters, their code, the versions of the libraries that
they use, the models that they load. Equal keys mean equal bytes, so a phase that is committed under a key is
never done again, by this recipe or by another that begins the same way.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from curate.engine.setup import setting_up
from curate.stage import GlobalStage, MapStage, Stage

AT_THE_END = "write what is kept"
"""Title of the phase without stages behind the last global stage: only then are the documents written without those
that global stages dropped, and with the columns that they added."""

FORMAT = 1
"""Version of the engine's own files; part of every key."""


@dataclass(frozen=True)
class Phase:
    """One entry of a plan."""

    key: str
    """32 hex digits; the name of its folder in the phase store."""
    stages: tuple[Stage, ...]
    upstream: str | None
    """Key of the phase whose documents it takes; None for the one that reads the input."""

    @property
    def is_global(self) -> bool:
        return bool(self.stages) and isinstance(self.stages[0], GlobalStage)

    @property
    def map_stages(self) -> list[MapStage]:
        return [cast(MapStage, stage) for stage in self.stages]

    @property
    def title(self) -> str:
        """For people: what it does."""
        names = [stage.label for stage in self.stages]
        if self.upstream is None:
            names.insert(0, "read")
        return " → ".join(names) or AT_THE_END


def group(stages: Sequence[Stage]) -> list[list[Stage]]:
    """Stages as phases: map stages fused, cut after a checkpoint and at global stages."""
    groups: list[list[Stage]] = [[]]
    for stage in (part for whole in stages for part in whole.parts()):
        if isinstance(stage, GlobalStage):
            groups += [[stage], []]
        else:
            groups[-1].append(stage)
            if cast(MapStage, stage).checkpoint:
                groups.append([])
    first, rest = groups[0], groups[1:]
    return [first, *(each for each in rest if each)]


def phases(stages: Sequence[Stage], input_fingerprint: str, limits: dict[str, Any]) -> list[Phase]:
    """The phases of a recipe. The first reads the input; it has no stages where a recipe begins with a global one.

    `limits` are those that can change an answer (CPU seconds a record).
    """
    made: list[Phase] = []
    upstream: str | None = None
    for members in group(stages):
        basis = {
            "format": FORMAT,
            "engine": _code_hash(("curate.engine.chain", "curate.engine.where", "curate.documents", "curate.stage")),
            "upstream": upstream or {"input": input_fingerprint, "sources": _code_hash(("curate.sources",))},
            "limits": limits,
            "stages": [identity(stage) for stage in members],
        }
        key = hashlib.blake2b(json.dumps(basis, sort_keys=True).encode(), digest_size=16).hexdigest()
        made.append(Phase(key, tuple(members), upstream))
        upstream = key
    return made


def identity(stage: Stage) -> dict[str, Any]:
    """All that a stage's answer depends on, beside its input."""
    module = type(stage).__module__
    with setting_up(stage):
        fingerprint = stage.fingerprint()
    return {
        "class": f"{module}:{type(stage).__qualname__}",
        "label": stage.label,
        "parameters": stage.parameters.model_dump(mode="json"),
        "where": stage.where.rule if stage.where is not None else None,
        "code": _code_hash((module,)),
        "versions": {name: _version(name) for name in ("pyarrow", *stage.distributions)},
        "fingerprint": fingerprint,
    }


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


@cache
def _code_hash(modules: tuple[str, ...]) -> str:
    """A hash of the source of modules and of whatever else of their top-level package those import, wherever in
    them; but for the engine, whose part in the answer `FORMAT` and the hash of the chain stand for."""
    digest = hashlib.sha256()
    for path in sorted(_sources(modules)):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources(modules: tuple[str, ...]) -> set[Path]:
    found: set[Path] = set()
    todo = list(modules)
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name in seen or (name.startswith("curate.engine") and name not in modules):
            continue
        seen.add(name)
        file = _file(name)
        if file is None:
            continue
        # A package is its modules: what a stage reads in a sibling must count, however it comes to it.
        members = sorted(file.parent.glob("*.py")) if file.name == "__init__.py" and name.count(".") else [file]
        for member in members:
            found.add(member)
            todo += _imports(member, name.partition(".")[0])
    return found


@cache
def _file(module: str) -> Path | None:
    loaded = sys.modules.get(module)
    if loaded is not None and getattr(loaded, "__file__", None):
        return Path(str(loaded.__file__))
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, AttributeError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin and spec.has_location else None


@cache
def _imports(file: Path, package: str) -> tuple[str, ...]:
    """Modules of `package` that a file imports, wherever in it; names imported from a module count as modules, too,
    since they may be. Read by pattern, since parsing a hundred files costs a second: what only looks like an import,
    in a string, adds a file to the hash and does no harm."""
    text = file.read_text(encoding="utf-8")
    names: list[str] = []
    for module, imported in re.findall(rf"^\s*from ({package}[\w.]*) import (\([^)]*\)|.*)$", text, re.MULTILINE):
        names += [module, *(f"{module}.{name}" for name in re.findall(r"\w+", imported))]
    names += re.findall(rf"^\s*import ({package}\.[\w.]+)", text, re.MULTILINE)
    # `curate.stages` itself only lists the stages: a new one must not change the key of the others.
    return tuple(name for name in names if name.startswith(f"{package}.") and name != "curate.stages")
