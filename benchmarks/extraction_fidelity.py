"""Code and formulas kept: against the gold of math and code pages, and against what the pages themselves say.

A page's own code is read independently of our scanner: an HTML5 parser (Resiliparse's lexbor) gives each `<pre>`, its
text with entities decoded, a line end for each `<br>` and block-level edge, buttons left out. Ours is the text of all
blocks of the page, so that the choice of blocks plays no part.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from classifiers.blocks_data import Source
from curate.kernels.html import scan
from curate.stages.extract.structure import write_text
from curate.stages.extract.units import structure_of

_FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$", re.DOTALL)
_CODE = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_EDGES = frozenset(
    "div p li tr td table ul ol dl dt dd h1 h2 h3 h4 h5 h6 section article blockquote pre figure hr".split()
)
_NO_TEXT = frozenset("script style textarea button template select svg iframe math".split())
_NUMBERS = re.compile(r"\s*\d+(?:\s+\d+)*\s*")


def formulas_kept(text: str, gold: str) -> tuple[int, int]:
    """Gold formulas present up to spacing, and how many there are."""
    plain = re.sub(r"\s+", "", text)
    wanted = ["".join((a or b).split()) for a, b in _FORMULA.findall(gold)]
    return sum(formula in plain for formula in wanted), len(wanted)


def code_kept(text: str, gold: str) -> tuple[int, int]:
    """Gold code blocks present byte for byte (trailing white space apart), and how many there are."""
    wanted = [block.rstrip() for block in _CODE.findall(gold) if block.strip()]
    return sum(block in text for block in wanted), len(wanted)


def every_text(html: str) -> str:
    """The text of all blocks of a page, chosen or not."""
    source = html.encode("utf-8", "replace")
    page = scan(source)
    return write_text(source, page, structure_of(page), np.arange(len(page.node))).text


def own_code(html: str) -> list[str]:
    """The text of each outermost `<pre>` of a page."""
    from resiliparse.parse.html import HTMLTree

    body = HTMLTree.parse(html).body
    found = body.get_elements_by_tag_name("pre") if body is not None else []
    texts = [_read(element) for element in found if not _is_inside(element)]
    return [text for text in texts if text.strip()]


def _is_inside(element: Any) -> bool:
    above = element.parent
    while above is not None:
        if above.tag in ("pre", "textarea", "noscript", "template", "button"):
            return True
        above = above.parent
    return False


def _read(element: Any) -> str:
    from resiliparse.parse.html import NodeType

    out: list[str] = []
    pending: list[Any] = [element]
    while pending:
        node = pending.pop()
        edge = node is None or (node.type == NodeType.ELEMENT and node.tag in _EDGES and node is not element)
        if edge and out and not out[-1].endswith("\n"):
            out.append("\n")
        if node is None:
            continue
        if node.type == NodeType.TEXT:
            out.append(node.value)
        elif node.tag == "br":
            out.append("\n")
        elif node.type == NodeType.ELEMENT and node.tag not in _NO_TEXT:
            pending += [None] if node.tag in _EDGES and node is not element else []
            pending += reversed(node.child_nodes)
    return "".join(out).replace("\r\n", "\n").replace("\r", "\n").strip("\n")


def code_of_pages(pages: Iterable[str]) -> Counter[str]:
    """How many `<pre>` of these pages are in our text byte for byte, and what became of the others."""
    found: Counter[str] = Counter()
    for html in pages:
        if "<pre" not in html.lower() or not (wanted := own_code(html)):
            continue
        found["pages"] += 1
        text = every_text(html)
        lines = _trimmed(text)
        for code in wanted:
            found["pieces of code"] += 1
            if code in text:
                found["identical"] += 1
            elif _NUMBERS.fullmatch(code):
                found["line numbers, left out"] += 1
            elif _trimmed(code).strip() in lines:
                found["identical but for spaces at line ends or control characters"] += 1
            elif "".join(code.split()) in "".join(text.split()):
                found["identical but for white space"] += 1
            else:
                found["different"] += 1
    return found


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.split("\n"))


def against_gold(text_of: Callable[[Source], str], sources: Sequence[Source]) -> dict[str, tuple[int, int]]:
    """Formulas and code blocks of the gold found in an engine's text, and how many there are."""
    texts = ((text_of(source), source.gold) for source in sources)
    kept = [(formulas_kept(text, gold), code_kept(text, gold)) for text, gold in texts]
    totals = np.array(kept).reshape(-1, 2, 2).sum(0).tolist()
    return {"formulas": (totals[0][0], totals[0][1]), "code blocks": (totals[1][0], totals[1][1])}


def reasons(text_of: Callable[[Source], str], sources: Sequence[Source]) -> Counter[str]:
    """Why gold code blocks are not in our text: what of them the page itself has, by a reading that is not ours."""
    from resiliparse.parse.html import HTMLTree

    found: Counter[str] = Counter()
    for source in sources:
        text = text_of(source)
        body = HTMLTree.parse(source.html).body
        page = _read(body) if body is not None else ""
        for block in _CODE.findall(source.gold):
            block = block.rstrip()
            if not block or block in text:
                continue
            if block not in page:
                found["not in the page as the gold writes it"] += 1
            elif block in every_text(source.html):
                found["in a block that was not chosen"] += 1
            else:
                found["written differently by us"] += 1
    return found
