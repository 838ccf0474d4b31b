"""ASCIIMath, the notation between backticks that a script of the page sets as mathematics, as TeX.

In goes `sum_(k=1)^n k^2`, out comes `{\\sum}_{k = 1}^{n} {k}^{2}`. The grammar and the names are those of
asciimath.org: simple expressions are constants, brackets, and unary and binary functions of simple expressions; these
take sub- and superscripts; and two of them with `/` between are a fraction.
"""

from __future__ import annotations

import re

MAX_FORMULA = 2000
"""Characters; what is longer stays as it stands in the page."""
MAX_DEPTH = 60
_USED = re.compile(rb"<script[^>]{0,300}(?:ascii-?math|\bAM_|-AM_)|asciimath2jax|input/asciimath", re.IGNORECASE)
"""ASCIIMathML's own script, and MathJax where its configuration reads ASCIIMath (docs.mathjax.org, 2.7 and 3)."""
_DELIMITED = re.compile(r"(?<!\\)`([^`]{1,2000}?)(?<!\\)`")
_BLANK = re.compile(r"(?:\\ |\s)+")

_GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)
_SAME = (
    "sum prod bigwedge bigvee bigcap bigcup int oint partial emptyset infty aleph therefore because ldots cdots vdots "
    "ddots quad qquad diamond square lfloor rfloor lceil rceil forall exists bot top vdash models uparrow downarrow "
    "rightarrow leftarrow leftrightarrow Rightarrow Leftarrow Leftrightarrow cdot ast star times div oplus otimes odot "
    "wedge vee cap cup neg ne lt le ge gt leq geq prec succ preceq succeq in subset supset subseteq supseteq equiv "
    "cong approx propto implies iff to mapsto circ setminus pm grad nabla angle frown triangle perp parallel sin cos "
    "tan sec csc cot arcsin arccos arctan sinh cosh tanh exp log ln det dim lim gcd min max mod"
)
_CONSTANTS = {
    **{name: "\\" + name for name in (_GREEK + " " + _SAME).split()},
    "+-": r"\pm", "*": r"\cdot", "**": r"\ast", "***": r"\star", "//": "/", "\\\\": r"\setminus", "xx": r"\times",
    "-:": r"\div", "@": r"\circ", "o+": r"\oplus", "ox": r"\otimes", "o.": r"\odot", "^^": r"\wedge", "vv": r"\vee",
    "nn": r"\cap", "uu": r"\cup", "!=": r"\ne", "<=": r"\le", ">=": r"\ge", "-<": r"\prec", ">-": r"\succ",
    "!in": r"\notin", "sub": r"\subset", "sup": r"\supset", "sube": r"\subseteq", "supe": r"\supseteq", "-=": r"\equiv",
    "~=": r"\cong", "~~": r"\approx", "prop": r"\propto", "not": r"\neg", "=>": r"\Rightarrow", "if": r"\mathrm{if}",
    "<=>": r"\Leftrightarrow", "AA": r"\forall", "EE": r"\exists", "_|_": r"\bot", "TT": r"\top", "|--": r"\vdash",
    "|==": r"\models", "oo": r"\infty", "O/": r"\emptyset", "del": r"\partial", "...": r"\ldots", "uarr": r"\uparrow",
    "darr": r"\downarrow", "rarr": r"\rightarrow", "larr": r"\leftarrow", "harr": r"\leftrightarrow", "->": r"\to",
    "|->": r"\mapsto", "rArr": r"\Rightarrow", "lArr": r"\Leftarrow", "hArr": r"\Leftrightarrow", "grad": r"\nabla",
    "CC": r"\mathbb{C}", "NN": r"\mathbb{N}", "QQ": r"\mathbb{Q}", "RR": r"\mathbb{R}", "ZZ": r"\mathbb{Z}",
    "and": r"\mathrm{and}", "or": r"\mathrm{or}", "dx": r"\mathrm{dx}", "dy": r"\mathrm{dy}", "dz": r"\mathrm{dz}",
    "dt": r"\mathrm{dt}", "/_": r"\angle", ":.": r"\therefore", "\\ ": "\\ ", "<": "<", ">": ">", "|": "|",
    "&": r"\&", "%": r"\%", "#": r"\#", "$": r"\$",
}  # fmt: skip
_OPEN = {"(": r"\left(", "[": r"\left[", "{": r"\left\{", "(:": r"\langle", "<<": r"\langle", "{:": r"\left."}
_CLOSE = {")": r"\right)", "]": r"\right]", "}": r"\right\}", ":)": r"\rangle", ">>": r"\rangle", ":}": r"\right."}
_UNARY = {
    "sqrt": r"\sqrt{%s}", "hat": r"\hat{%s}", "bar": r"\overline{%s}", "vec": r"\vec{%s}", "dot": r"\dot{%s}",
    "ddot": r"\ddot{%s}", "ul": r"\underline{%s}", "abs": r"\left|%s\right|", "norm": r"\left\|%s\right\|",
    "floor": r"\left\lfloor%s\right\rfloor", "ceil": r"\left\lceil%s\right\rceil", "bb": r"\mathbf{%s}",
    "bbb": r"\mathbb{%s}", "cc": r"\mathcal{%s}", "tt": r"\mathtt{%s}", "fr": r"\mathfrak{%s}", "sf": r"\mathsf{%s}",
    "cancel": r"\cancel{%s}",
}  # fmt: skip
_BINARY = {"frac": r"\frac{%s}{%s}", "root": r"\sqrt[%s]{%s}", "stackrel": r"\stackrel{%s}{%s}",
           "overset": r"\overset{%s}{%s}", "underset": r"\underset{%s}{%s}"}  # fmt: skip
_SYMBOLS = sorted({*_CONSTANTS, *_OPEN, *_CLOSE, *_UNARY, *_BINARY}, key=len, reverse=True)
_TOKEN = re.compile(
    r"\s*(?:(?P<text>\"[^\"]*\"|(?:text|mbox)\s?\([^)]*\))|(?P<number>\d+(?:\.\d+)?)|(?P<symbol>"
    + "|".join(re.escape(symbol) for symbol in _SYMBOLS)
    + r")|(?P<other>\S))"
)


def is_used(page: bytes) -> bool:
    """Whether a page loads a script that reads ASCIIMath."""
    return _USED.search(page) is not None


def translate_delimited(text: str) -> str:
    """The text with each formula between backticks as `$TeX$`; a backtick after a backslash is one itself, and a
    formula of nothing but spaces is none."""

    def translated(found: re.Match[str]) -> str:
        tex = to_tex(found[1])
        return "" if _BLANK.fullmatch(tex) else f"${tex}$" if tex else found[0]

    return _DELIMITED.sub(translated, text)


def to_tex(source: str) -> str:
    """The TeX of an ASCIIMath formula; empty if it is too long."""
    if len(source) > MAX_FORMULA:
        return ""
    tokens = [
        (kind, found[kind]) for found in _TOKEN.finditer(source) for kind in [found.lastgroup or "other"] if found[kind]
    ]
    return " ".join(_Reader(tokens).expressions(()))


class _Reader:
    """Reads tokens from left to right; each method leaves `at` behind what it has read."""

    def __init__(self, tokens: list[tuple[str, str]], depth: int = 0) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = depth

    def _peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def expressions(self, ends: tuple[str, ...]) -> list[str]:
        """Expressions up to the end, or to a token of `ends`, which is left to be read."""
        found = []
        while self.at < len(self.tokens) and not (ends and self._peek() in ends):
            found.append(self._fraction())
        return found

    def _fraction(self) -> str:
        over, bare = self._scripted()
        if self._peek() != "/":
            return over
        self.at += 1
        under, bare_under = self._scripted()
        return rf"\frac{{{bare or over}}}{{{bare_under or under}}}"

    def _scripted(self) -> tuple[str, str]:
        """A simple expression with its scripts; and what is inside its brackets, if it is nothing but a bracket."""
        base, bare = self._simple()
        scripts = ""
        for mark in "_^":
            if self._peek() == mark:
                self.at += 1
                script, inside = self._simple()
                scripts += f"{mark}{{{inside or script}}}"
        return (f"{{{base}}}{scripts}", "") if scripts else (base, bare)

    def _simple(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            return "", ""
        kind, token = self.tokens[self.at]
        self.at += 1
        if kind == "text":
            return r"\text{%s}" % (token[1:-1] if token[0] == '"' else token[token.index("(") + 1 : -1]), ""
        if kind == "symbol" and self.depth < MAX_DEPTH:
            self.depth += 1
            try:
                if token in _OPEN:
                    return self._bracket(token)
                if token in _UNARY:
                    whole, bare = self._simple()
                    return _UNARY[token] % (bare or whole), ""
                if token in _BINARY:
                    first, second = (bare or whole for whole, bare in (self._simple(), self._simple()))
                    return _BINARY[token] % (first, second), ""
            finally:
                self.depth -= 1
        return _CONSTANTS.get(token) or _CLOSE.get(token, "").removeprefix(r"\right") or token, ""

    def _bracket(self, opening: str) -> tuple[str, str]:
        cells, end = self._matrix_cells()
        if cells:
            rows = (
                " & ".join(" ".join(_Reader(self.tokens[a:b], self.depth).expressions(())) for a, b in row)
                for row in cells
            )
            inside, self.at = r"\begin{matrix}" + r" \\ ".join(rows) + r"\end{matrix}", end
        else:
            inside = " ".join(self.expressions(tuple(_CLOSE)))
        closing = self._peek()
        self.at += closing != ""
        left, right = _OPEN[opening], _CLOSE.get(closing, r"\right.")
        if left.startswith(r"\left") and not right.startswith(r"\right"):
            right = r"\right" + right
        elif right.startswith(r"\right") and not left.startswith(r"\left"):
            left = r"\left" + left
        return f"{left}{inside}{right}", "" if cells else inside

    def _matrix_cells(self) -> tuple[list[list[tuple[int, int]]], int]:
        """The token ranges of the cells of `(a, b), (c, d)`, from here to the bracket's end, and that end; no rows
        if what stands here is something else."""
        rows: list[list[tuple[int, int]]] = []
        depth, start = 0, self.at
        for place in range(self.at, len(self.tokens)):
            token = self.tokens[place][1]
            if depth == 0 and token in _CLOSE:
                whole = len(rows) > 1 and len({len(row) for row in rows}) == 1
                return (rows if whole else []), place
            if depth == 0 and token not in "([" and not (token == "," and rows):
                break
            if token in _OPEN:
                depth += 1
                if depth == 1:
                    start = place + 1
                    rows.append([])
            elif token in _CLOSE:
                depth -= 1
                if depth == 0:
                    rows[-1].append((start, place))
            elif token == "," and depth == 1:
                rows[-1].append((start, place))
                start = place + 1
        return [], 0
