"""MathML without a TeX source, translated to TeX element by element: fractions, roots, indices and tables survive.

In goes the HTML of one formula, out comes TeX without delimiters. There is no recursion, so a formula may be nested
as deep as it likes.
"""

from __future__ import annotations

import html as entities
import re
from typing import NamedTuple

MAX_MATHML = 200_000
"""Characters; what goes beyond is left out."""
_TOKEN = re.compile(
    r"""<(/?)(?:\w{1,20}:)?([a-zA-Z]{1,40})((?:[^<>"'/]++|"[^"]{0,5000}"|'[^']{0,5000}'|/(?!>))*+)(/?)>|([^<]+)"""
)
"""A tag or a text; possessive, so that no tag is looked at twice however it is broken."""
_ATTRIBUTE = re.compile(r"""\b(open|close|separators)\s{0,9}=\s{0,9}(?:"([^"]*)"|'([^']*)')""")
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩϵϕ",
        "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon varphi "
        "chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega epsilon phi".split(),
        strict=True,
    )
)
_OPERATORS = dict(
    zip(
        "×÷·⋅±∓≤≥≠≈≡∼≃≅∝∞∑∏∫∬∮∂∇→←↔⇒⇐⇔↦∈∉∋⊂⊆⊃⊇∪∩∧∨¬∀∃∅∖∘∗…⋯⋮⋱⟨⟩⌊⌋⌈⌉⊕⊗⊥∥≪≫ℓℏ′∣",
        "times div cdot cdot pm mp le ge ne approx equiv sim simeq cong propto infty sum prod int iint oint partial "
        "nabla to leftarrow leftrightarrow Rightarrow Leftarrow Leftrightarrow mapsto in notin ni subset subseteq "
        "supset supseteq cup cap land lor neg forall exists emptyset setminus circ ast ldots cdots vdots ddots langle "
        "rangle lfloor rfloor lceil rceil oplus otimes perp parallel ll gg ell hbar prime mid".split(),
        strict=True,
    )
)
_DOUBLE_STRUCK = {letter: rf"\mathbb{{{plain}}}" for letter, plain in zip("ℂℕℙℚℝℤ", "CNPQRZ", strict=True)}
_SYMBOLS = {
    **{sign: f"\\{name} " for sign, name in (_GREEK | _OPERATORS).items()},
    **_DOUBLE_STRUCK,
    "−": "-", "{": r"\{", "}": r"\}", "%": r"\%", "#": r"\#", "\u2061": "", "\u2062": "", "\u2063": "", "\u2064": "",
    "\xa0": " ",
}  # fmt: skip
_ACCENTS = {
    "¯": "bar", "‾": "overline", "ˉ": "bar", "^": "hat", "ˆ": "hat", "~": "tilde", "˜": "tilde", r"\to ": "vec",
    "⃗": "vec", "˙": "dot", ".": "dot", "¨": "ddot", "⏞": "overbrace", "_": "underline", "⏟": "underbrace",
    r"\sim ": "tilde",
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
_FUNCTIONS = frozenset("sin cos tan cot sec csc sinh cosh tanh log ln exp lim max min sup inf det dim gcd arg".split())
_LEFT_OUT = ("annotation", "annotation-xml", "mphantom", "mspace", "maligngroup", "malignmark", "none")


class _Open(NamedTuple):
    name: str
    attributes: str
    children: list[str]
    """The TeX of each."""


def translate(source: str) -> str:
    """The TeX of the MathML in `source`, by a stack of elements that are not closed yet."""
    stack = [_Open("mrow", "", [])]

    def close() -> str:
        done = stack.pop()
        stack[-1].children.append(_finish(done))
        return done.name

    for token in _TOKEN.finditer(source[:MAX_MATHML]):
        closing, name, attributes, empty, text = token.groups()
        if text is not None:
            text = entities.unescape(text)
            plain = " ".join(text.split()) if stack[-1].name not in ("mtext", "ms") else text
            if plain.strip():
                stack[-1].children.append("".join(_SYMBOLS.get(character, character) for character in plain))
        elif not closing:
            stack.append(_Open(name.lower(), attributes, []))
            if empty:
                close()
        elif any(element.name == name.lower() for element in stack[-50:]) and len(stack) > 1:
            while len(stack) > 1 and close() != name.lower():
                pass
    while len(stack) > 1:
        close()
    return "".join(stack[0].children)


def _finish(element: _Open) -> str:
    name, children = element.name, element.children
    if name in _LEFT_OUT:
        return ""
    if name in ("mover", "munder") and len(children) > 1 and (accent := _ACCENTS.get(children[1])):
        return f"\\{accent}{{{children[0]}}}"
    if template := _TEMPLATES.get(name):
        padded = [*children, "", "", ""]
        padded[0] = padded[0] or "{}"
        return template.format(*padded[:3])
    inner = "".join(children)
    if name == "mmultiscripts":
        return _with_scripts(children)
    if name == "mprescripts":
        return _PRESCRIPTS
    if name == "msqrt":
        return f"\\sqrt{{{inner}}}"
    if name == "mfenced":
        said: dict[str, str] = {key: double or single for key, double, single in _ATTRIBUTE.findall(element.attributes)}
        separator = said.get("separators", ",").strip()[:1]
        return said.get("open", "(") + separator.join(children) + said.get("close", ")")
    if name == "mtr":
        return " & ".join(children) + r" \\ "
    if name == "mtable":
        return r"\begin{matrix}" + inner.removesuffix(r" \\ ") + r"\end{matrix}"
    if name in ("mtext", "ms"):
        return f"\\text{{{inner}}}"
    if name == "mi" and len(inner) > 1 and inner.isalpha() and inner.isascii():
        return f"\\{inner} " if inner in _FUNCTIONS else f"\\mathrm{{{inner}}}"
    return inner


_PRESCRIPTS = "\0"
"""Stands between the scripts after a base and those before it."""


def _with_scripts(children: list[str]) -> str:
    after, before = children[1:], []
    if _PRESCRIPTS in after:
        at = after.index(_PRESCRIPTS)
        after, before = after[:at], after[at + 1 :]
    ahead = _scripts(before)
    return ("{}" + ahead if ahead else "") + (children[0] if children else "") + _scripts(after)


def _scripts(pairs: list[str]) -> str:
    """A script below and one above in turn, either of which may be empty."""
    signs = [f"{'_^'[index % 2]}{{{script}}}" if script else "" for index, script in enumerate(pairs)]
    return "".join(signs)
