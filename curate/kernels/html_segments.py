"""What a block's text is made of, as the page scanner writes it down, and which scripts and classes are formulas.

In go ranges of a page, out come the kinds of segment; formulas are read later, from the bytes of their segments.
"""

from __future__ import annotations

import numpy as np

from curate.kernels.compiled import kernel
from curate.kernels.html_bytes import contains

(
    TEXT, BREAK, MATHML, IMAGE_TEX, SCRIPT_TEX, SCRIPT_TEX_DISPLAY, SHADOW_MATHML, ADDRESS_TEX, SCRIPT_ASCIIMATH,
    SCRIPT_MATHML, LITERAL,
) = range(11)  # fmt: skip
"""Kinds of segment. SHADOW_MATHML repeats a formula whose source may follow in a script; ADDRESS_TEX is the query of
an image's address; LITERAL is text without entities, as in `<xmp>`."""
SCRIPTS = (SCRIPT_TEX, SCRIPT_TEX_DISPLAY, SCRIPT_ASCIIMATH, SCRIPT_MATHML)
_MATH, _DISPLAYED = np.frombuffer(b"math/", np.uint8), np.frombuffer(b"mode=display", np.uint8)
_TEX, _ASCIIMATH, _MML = (np.frombuffer(text, np.uint8) for text in (b"/tex", b"/asciimath", b"/mml"))
_KATEX, _MATHJAX, _CHTML = (np.frombuffer(text, np.uint8) for text in (b"katex-html", b"mathjax", b"mjx-chtml"))


@kernel
def script_formula(page, start, end):
    """The kind of formula in a script whose type is a range of the page; −1 for none."""
    if not contains(page, start, end, _MATH):
        return -1
    if contains(page, start, end, _TEX):
        return SCRIPT_TEX_DISPLAY if contains(page, start, end, _DISPLAYED) else SCRIPT_TEX
    if contains(page, start, end, _ASCIIMATH):
        return SCRIPT_ASCIIMATH
    return SCRIPT_MATHML if contains(page, start, end, _MML) else -1


@kernel
def draws_formula(page, start, end):
    """Whether a class is that of elements in which KaTeX or MathJax draws a formula sign by sign."""
    if end - start < 7:
        return False
    if page[start] == 77 and contains(page, start, start + 7, _MATHJAX):
        return True
    return contains(page, start, min(start + 9, end), _CHTML) or contains(page, start, end, _KATEX)
