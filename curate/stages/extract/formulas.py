"""Formulas as TeX: MathML (its TeX annotation or alttext where it has one), MathJax scripts, image texts.

In goes the HTML of one formula, out comes `$…$` or `$$…$$`. MathML without TeX is translated by
`curate.stages.extract.mathml`.
"""

from __future__ import annotations

import html as entities
import re
from urllib.parse import unquote_plus

from curate.kernels.html_segments import ADDRESS_TEX, IMAGE_TEX, SCRIPT_ASCIIMATH, SCRIPT_TEX, SCRIPT_TEX_DISPLAY
from curate.stages.extract import asciimath
from curate.stages.extract.mathml import translate

_ANNOTATION = re.compile(r"<(?:\w+:)?annotation\b[^>]*tex[^>]*>(.*?)</(?:\w+:)?annotation", re.IGNORECASE | re.DOTALL)
_ALTTEXT = re.compile(r"""^<(?:\w+:)?math\b[^>]*?\balttext\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_DISPLAY = re.compile(r"""^<(?:\w+:)?math\b[^>]*\b(?:display|mode)\s*=\s*["']?(?:block|display)""", re.IGNORECASE)
_DISPLAYSTYLE = re.compile(r"^\{\\(?:display|text)style\s*(.*)\}$", re.DOTALL)
_CDATA = re.compile(r"^\s*(?:%\s*)?<!\[CDATA\[(.*?)(?:%\s*)?\]\]>\s*$", re.DOTALL)
_DELIMITED = re.compile(r"^(?:\$\$(.*)\$\$|\\\[(.*)\\\]|\$(.*)\$|\\\((.*)\\\))$", re.DOTALL)
_LOOKS_LIKE_TEX = re.compile(r"[\\^_{}=<>+]|^\S{1,3}$")
_QUERY = re.compile(r"^(?:latex|tex|eq|math|chl|formula)=|&(?:bg|fg|s|c|size|zoom|cht|chf|chco)=[^&]*")
"""What surrounds the TeX in the address of a rendered formula."""
_DRAWING = re.compile(r"^(?:\\(?:dpi\s*\{\d+\}|bg_\w+|bg\{\w+\}|fn_\w+|inline|tiny|small|large|huge)\s*)+")
"""CodeCogs' commands of size, colour and font before the formula."""

_IN_TEXT = re.compile(
    r"\$\$(?!\$)(.{1,2000}?)\$\$|\$(?![\s$])([^$\n]{1,500}?)(?<!\s)\$"
    r"|\\\(((?:(?!\\\().){1,500}?)\\\)|\\\[((?:(?!\\\[).){1,2000}?)\\\]"
    r"|\\begin\{[a-z]{3,12}\*?\}((?:(?!\\begin\{).){1,4000}?)\\end\{",
    re.DOTALL,
)
"""A formula within a text. None looks past another that opens: a million openings cost what they should."""


def formula_characters(text: str) -> int:
    """How many characters of a text are formulas, delimiters left out. Prices are none: `$5 and $6` ends in a blank."""
    if "$" not in text and "\\" not in text:
        return 0
    found = (next(group for group in match.groups() if group is not None) for match in _IN_TEXT.finditer(text))
    return sum(len(tex) for tex in found if _LOOKS_LIKE_TEX.search(tex.strip()))


def to_tex(kind: int, source: str) -> str:
    """The TeX, delimited, of a segment's HTML; empty where the segment holds no formula."""
    display = kind == SCRIPT_TEX_DISPLAY
    if kind in (SCRIPT_TEX, SCRIPT_TEX_DISPLAY):
        # A script's content is not entity-encoded.
        found = _CDATA.match(source)
        tex = found[1] if found else source
    elif kind == SCRIPT_ASCIIMATH:
        tex = asciimath.to_tex(source)
    elif kind in (IMAGE_TEX, ADDRESS_TEX):
        tex = entities.unescape(source)
        if kind == ADDRESS_TEX:
            tex = _QUERY.sub("", tex)
            tex = (unquote_plus(tex) if "%" in tex else tex).replace("&space;", " ")
            tex = _DRAWING.sub("", tex)
        if not _LOOKS_LIKE_TEX.search(tex.strip()):
            return ""
    else:
        display = bool(_DISPLAY.search(source))
        tex = _from_mathml(source)
    tex = tex.strip()
    if delimited := _DELIMITED.match(tex):
        display = display or delimited[1] is not None or delimited[2] is not None
        tex = next(group for group in delimited.groups() if group is not None).strip()
    if style := _DISPLAYSTYLE.match(tex):
        tex = style[1].strip()
    if not tex:
        return ""
    return f"$${tex}$$" if display else f"${tex}$"


def _from_mathml(source: str) -> str:
    if annotation := _ANNOTATION.search(source):
        return entities.unescape(annotation[1])
    if alttext := _ALTTEXT.search(source):
        return entities.unescape(alttext[1] or alttext[2] or "")
    return translate(source)
