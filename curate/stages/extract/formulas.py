"""Formulas as TeX: MathML (its TeX annotation or alttext where it has one), MathJax scripts, image texts.

In goes the HTML of one formula, out comes `$…$` or `$$…$$`. MathML without TeX is translated element by element,
without recursion, so that fractions, roots and indices survive as TeX.
"""

from __future__ import annotations

import html as entities
import re
from urllib.parse import unquote_plus

from curate.kernels.html import ADDRESS_TEX, IMAGE_TEX, SCRIPT_ASCIIMATH, SCRIPT_TEX, SCRIPT_TEX_DISPLAY
from curate.stages.extract import asciimath

_ANNOTATION = re.compile(r"<annotation\b[^>]*tex[^>]*>(.*?)</annotation", re.IGNORECASE | re.DOTALL)
_ALTTEXT = re.compile(r"""^<math\b[^>]*?\balttext\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_DISPLAY = re.compile(r"""^<math\b[^>]*\b(?:display|mode)\s*=\s*["']?(?:block|display)""", re.IGNORECASE)
_TOKEN = re.compile(r"<(/?)(?:\w+:)?([a-zA-Z]+)((?:[^>\"']|\"[^\"]*\"|'[^']*')*?)(/?)>|([^<]+)")
_DISPLAYSTYLE = re.compile(r"^\{\\(?:display|text)style\s*(.*)\}$", re.DOTALL)
_CDATA = re.compile(r"^\s*(?:%\s*)?<!\[CDATA\[(.*?)(?:%\s*)?\]\]>\s*$", re.DOTALL)
_DELIMITED = re.compile(r"^(?:\$\$(.*)\$\$|\\\[(.*)\\\]|\$(.*)\$|\\\((.*)\\\))$", re.DOTALL)
_LOOKS_LIKE_TEX = re.compile(r"[\\^_{}=<>+]|^\S{1,3}$")
_QUERY = re.compile(r"^(?:latex|tex|eq|math|chl|formula)=|&(?:bg|fg|s|c|size|zoom|cht|chf|chco)=[^&]*")
"""What surrounds the TeX in the address of a rendered formula."""
_SYMBOLS = {
    "−": "-", "×": r"\times ", "÷": r"\div ", "·": r"\cdot ", "⋅": r"\cdot ", "±": r"\pm ", "≤": r"\le ", "≥": r"\ge ",
    "≠": r"\ne ", "≈": r"\approx ", "∞": r"\infty ", "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ", "∂": r"\partial ",
    "∇": r"\nabla ", "→": r"\to ", "⇒": r"\Rightarrow ", "∈": r"\in ", "∉": r"\notin ", "⊂": r"\subset ",
    "∪": r"\cup ", "∩": r"\cap ", "∀": r"\forall ", "∃": r"\exists ", "…": r"\ldots ", "α": r"\alpha ",
    "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta ", "ε": r"\epsilon ", "θ": r"\theta ", "λ": r"\lambda ",
    "μ": r"\mu ", "π": r"\pi ", "ρ": r"\rho ", "σ": r"\sigma ", "τ": r"\tau ", "φ": r"\phi ", "ω": r"\omega ",
    "Δ": r"\Delta ", "Σ": r"\Sigma ", "Ω": r"\Omega ", "Φ": r"\Phi ", "Θ": r"\Theta ", "{": r"\{", "}": r"\}",
    "\u2061": "", "\u2062": "", "\u2063": "", "\xa0": " ",
}  # fmt: skip
_TEMPLATES = {
    "mfrac": "\\frac{{{0}}}{{{1}}}",
    "mroot": "\\sqrt[{1}]{{{0}}}",
    "msup": "{0}^{{{1}}}",
    "msub": "{0}_{{{1}}}",
    "msubsup": "{0}_{{{1}}}^{{{2}}}",
    "munder": "{0}_{{{1}}}",
    "mover": "{0}^{{{1}}}",
    "munderover": "{0}_{{{1}}}^{{{2}}}",
}
MAX_MATHML = 200_000
"""Characters; larger MathML is left out."""


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
            tex = unquote_plus(tex) if "%" in tex else tex
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
    return _translate(source[:MAX_MATHML])


def _translate(source: str) -> str:
    """MathML to TeX with a stack of unfinished elements: each holds its name and its children's TeX."""
    stack: list[tuple[str, list[str]]] = [("mrow", [])]
    for token in _TOKEN.finditer(source):
        closing, name, _, empty, text = token.groups()
        if text is not None:
            text = entities.unescape(text).strip()
            if text and not stack[-1][0].startswith("annotation"):
                stack[-1][1].append("".join(_SYMBOLS.get(character, character) for character in text))
        elif not closing:
            if not empty:
                stack.append((name.lower(), []))
        elif len(stack) > 1 and any(open_name == name.lower() for open_name, _ in stack[-50:]):
            while len(stack) > 1:
                top, children = stack.pop()
                stack[-1][1].append(_finish(top, children))
                if top == name.lower():
                    break
    while len(stack) > 1:
        top, children = stack.pop()
        stack[-1][1].append(_finish(top, children))
    return "".join(stack[0][1])


def _finish(name: str, children: list[str]) -> str:
    if template := _TEMPLATES.get(name):
        padded = [*children, "", "", ""]
        return template.format(*padded[:3])
    inner = "".join(children)
    if name == "msqrt":
        return f"\\sqrt{{{inner}}}"
    if name == "mfenced":
        return "(" + ",".join(children) + ")"
    if name == "mtr":
        return " & ".join(children) + r" \\ "
    if name == "mtable":
        return r"\begin{matrix}" + inner.removesuffix(r" \\ ") + r"\end{matrix}"
    if name in ("mtext", "ms"):
        return f"\\text{{{inner}}}"
    if name == "mi" and len(inner) > 1 and inner.isalpha() and inner.isascii():
        return f"\\{inner} " if inner in _FUNCTIONS else f"\\mathrm{{{inner}}}"
    return "" if name.startswith("annotation") else inner


_FUNCTIONS = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "sinh",
        "cosh",
        "tanh",
        "log",
        "ln",
        "exp",
        "lim",
        "max",
        "min",
        "sup",
        "inf",
        "det",
        "dim",
        "gcd",
        "arg",
    ]
)
