"""Cheap signs of text that a machine filled in: answers of a chat model left in place, unspun templates.

Each is a phrase or a form that people do not publish on purpose; a page about such phrases has one, a page made by
them has several or is short, so what counts is how many there are for the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

import numpy as np
import pyarrow as pa

from curate.stage import FilterParameters, MapStage, Rule, Shared, parameter
from curate.stages.code_lines import are_code, known_code
from curate.stages.filters.gopher import ratio

_RESIDUE = re.compile(
    "|".join(
        (
            r"\bas an? (?:ai|artificial intelligence)(?: language)? (?:model|assistant)\b",
            r"\bas a large language model\b",
            r"\bi(?:'m| am) (?:sorry, but i (?:cannot|can't)|an ai (?:language )?(?:model|assistant))",
            r"\bi (?:cannot|can't|am unable to) (?:fulfill|assist with|comply with|generate|browse the internet)",
            r"\bmy (?:knowledge cutoff|last knowledge update|training data)\b|\bregenerate response\b",
            r"\b(?:sure|certainly)[,!] here(?:'s| is| are) (?:a|an|the|some|your)\b",
            r"\bi hope this (?:helps|meets your)[^.\n]{0,40}let me know\b",
            r"\bis there anything else (?:i can|you(?:'d| would) like)",
            r"\[(?:insert|your|company|product|name of|city)\b[^\]\n]{0,40}\]",
        )
    ),
    re.IGNORECASE,
)
# {big|large|huge}: a template of a text spinner that was never spun; %%keyword%%, {{city}}: one never filled in.
_TEMPLATE = re.compile(
    r"\{[^{}|\n]{1,60}(?:\|[^{}|\n]{0,60}){1,20}\}|%%?[a-z_]{3,30}%%?(?=\W|$)|\{\{ ?[a-z_.]{2,40} ?\}\}", re.IGNORECASE
)
# Parts of every phrase above: a page without any, as most are, needs no further look.
_HINTS = ("language model", "i'm sorry", "i am sorry", "ai model", "ai assistant", "intelligence", "an ai", "i cannot",
          "i can't", "i am unable", "my knowledge", "my last", "my training", "regenerate response", "sure, here",
          "sure! here", "certainly, here", "certainly! here", "i hope this", "anything else", "[insert", "[your",
          "[company", "[product", "[name of", "[city", "{", "%")  # fmt: skip


class MachineTextParameters(FilterParameters):
    max_residue_per_kilobyte: float = parameter(
        0.5,
        "phrases that chat models leave behind, for each 1000 characters",
        source="docs/results.md",
        role="decide",
        ge=0,
    )
    max_templates: int = parameter(
        2,
        "alternatives and placeholders of a template that was not filled in",
        source="docs/results.md",
        role="decide",
        ge=0,
    )


class MachineText(MapStage):
    """Drops pages with the residue of text generators."""

    name = "machine_text"
    Parameters = MachineTextParameters

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        texts, known = batch.column("text").to_pylist(), known_code(batch, batch.num_rows)
        rows = [_count(text or "", code) for text, code in zip(texts, known, strict=True)]
        counts = np.array(rows, dtype=np.int64).reshape(-1, 3)
        signals = {
            "residue": pa.array(counts[:, 0]),
            "residue_per_kilobyte": ratio(1000 * counts[:, 0], np.maximum(counts[:, 2], 1000)),
            "templates": pa.array(counts[:, 1]),
        }
        return pa.StructArray.from_arrays(list(signals.values()), list(signals))

    def rules(self) -> Sequence[Rule]:
        p = cast(MachineTextParameters, self.parameters)
        return (
            Rule(
                "prompt_residue", "residue_per_kilobyte", "<=", p.max_residue_per_kilobyte, "max_residue_per_kilobyte"
            ),
            Rule("unfilled_template", "templates", "<=", p.max_templates, "max_templates"),
        )


def _count(text: str, code: frozenset[int]) -> tuple[int, int, int]:
    """Phrases of generators, places of templates (in lines of code braces are code), characters."""
    lower = text.lower()
    if not any(hint in lower for hint in _HINTS):
        return 0, 0, len(text)
    templates = 0
    if _TEMPLATE.search(text):
        lines = text.split("\n")
        are = are_code(lines, code)
        templates = sum(len(_TEMPLATE.findall(line)) for line, is_code in zip(lines, are, strict=True) if not is_code)
    return len(_RESIDUE.findall(text)), templates, len(text)
