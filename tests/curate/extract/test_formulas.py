"""Formulas as pages carry them: each becomes TeX, and each is written once."""

from __future__ import annotations

import time

import pytest

from curate.stages.extract.formulas import formula_characters
from curate.stages.extract.mathml import translate
from tests.curate.extract.test_blocks import all_text

MATHML = "<math><msup><mi>a</mi><mn>2</mn></msup></math>"
ANNOTATED = '<math><semantics><mi>a</mi><annotation encoding="application/x-tex">a^2</annotation></semantics></math>'
ONCE = {
    "KaTeX": f'<span class="katex"><span class="katex-mathml">{ANNOTATED}</span>'
    '<span class="katex-html" aria-hidden="true">'
    "<span>a</span><span>2</span></span></span>",
    "MathJax 2": '<span class="MathJax_Preview">a2</span><span class="MathJax" data-mathml="&lt;math&gt;">'
    f'<nobr>a2</nobr><span class="MJX_Assistive_MathML">{MATHML}</span></span>'
    '<script type="math/tex" id="MathJax-Element-1">a^2</script>',
    "MathJax 2, CommonHTML": '<span class="mjx-chtml MathJax_CHTML"><span class="mjx-math">a2</span>'
    f'<span class="MJX_Assistive_MathML">{MATHML}</span></span><script type="math/tex">a^2</script>',
    "MathJax 2, SVG": '<span class="MathJax_SVG"><svg><title>a2</title></svg></span>'
    '<script type="math/tex">a^2</script>',
    "Wikipedia": '<span class="mwe-math-element"><span style="display: none;"><math alttext="{\\displaystyle a^2}">'
    '<annotation encoding="application/x-tex">{\\displaystyle a^2}</annotation></math></span>'
    '<img class="mwe-math-fallback-image-inline" aria-hidden="true" alt="{\\displaystyle a^2}" src="x.svg"></span>',
    "LaTeXML": '<math alttext="a^2" class="ltx_Math"><semantics><mi>a</mi>'
    '<annotation-xml encoding="MathML-Content"><apply/></annotation-xml>'
    '<annotation encoding="application/x-tex">a^2</annotation></semantics></math>',
    "WordPress": '<img src="https://s0.wp.com/latex.php?latex=a%5E2&#038;bg=fff" alt="a^2" title="a^2" class="latex">',
    "WordPress, no alt": '<img src="https://s0.wp.com/latex.php?latex=a%5E2&#038;bg=fff&#038;fg=000" class="latex">',
    "QuickLaTeX": '<img src="q/quicklatex.com-1_l3.svg" class="ql-img-inline-formula" alt="&#97;&#94;&#50;">',
    "CodeCogs": '<img src="https://latex.codecogs.com/png.image?\\dpi{110}&space;a%5E2">',
    "Zhihu": '<img src="https://www.zhihu.com/equation?tex=a%5E2" alt="a^2" eeimg="1">',
    "an old wiki's image": '<img class="tex" alt="a^2" src="/math/1.png">',
    "a script with CDATA": '<script type="math/tex">% <![CDATA[\na^2 %]]></script>',
}


@pytest.mark.parametrize("name", ONCE)
def test_formula_is_written_once(name: str) -> None:
    assert all_text(f"<p>so {ONCE[name]} holds</p>") == "so $a^2$ holds"


@pytest.mark.parametrize(
    ("html", "tex"),
    [
        (f'<mjx-container class="MathJax"><mjx-math>a2</mjx-math><mjx-assistive-mml>{MATHML}</mjx-assistive-mml>'
         "</mjx-container>", "$a^{2}$"),
        ('<span class="MathJax_Preview"></span><script type="math/mml"><math><mi>a</mi><mo>=</mo><mi>b</mi></math>'
         "</script>", "$a=b$"),
        ("<mml:math><mml:mfrac><mml:mi>a</mml:mi><mml:mi>b</mml:mi></mml:mfrac></mml:math>", "$\\frac{a}{b}$"),
        ('<math display="block"><mi>x</mi></math>', "$$x$$"),
        ('<script type="math/tex; mode=display">x</script>', "$$x$$"),
        ('<img class="quicklatex" alt="\\[x\\]" src="q.png">', "$$x$$"),
        ("\\(a\\) and $b$", "\\(a\\) and $b$"),
    ],
)  # fmt: skip
def test_formula_of_a_form_becomes_tex(html: str, tex: str) -> None:
    assert all_text(f"<div>so {html} holds</div>") == f"so {tex} holds"


@pytest.mark.parametrize(
    ("mathml", "tex"),
    [
        ("<munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover><msub><mi>a</mi><mi>i</mi>"
         "</msub>", r"\sum _{i=1}^{n}a_{i}"),
        ("<mi>sin</mi><mo>&#x2061;</mo><mi>θ</mi><mo>≤</mo><mi>ℝ</mi>", r"\sin \theta \le \mathbb{R}"),
        ("<mover><mi>x</mi><mo>¯</mo></mover><mover accent='true'><mi>v</mi><mo>→</mo></mover>", r"\bar{x}\vec{v}"),
        ("<mroot><mi>x</mi><mn>3</mn></mroot><msqrt><mi>y</mi><mo>+</mo><mn>1</mn></msqrt>", r"\sqrt[3]{x}\sqrt{y+1}"),
        ("<mtable><mtr><mtd><mi>a</mi></mtd><mtd><mi>b</mi></mtd></mtr><mtr><mtd><mi>c</mi></mtd><mtd><mi>d</mi></mtd></mtr>"
         "</mtable>", r"\begin{matrix}a & b \\ c & d\end{matrix}"),
        ('<mfenced open="[" close="]" separators=";"><mi>a</mi><mi>b</mi></mfenced>', "[a;b]"),
        ("<mmultiscripts><mi>X</mi><mn>1</mn><none/><mprescripts/><mn>3</mn><mn>4</mn></mmultiscripts>",
         "{}_{3}^{4}X_{1}"),
        ("<msup><mrow/><mn>2</mn></msup><mtext>if </mtext><mi>x</mi>", r"{}^{2}\text{if }x"),
        ("<mphantom><mi>q</mi></mphantom><mspace width='1em'/><mi>x</mi>", "x"),
    ],
)  # fmt: skip
def test_mathml_without_tex_is_translated(mathml: str, tex: str) -> None:
    assert translate(f"<math>{mathml}") == tex


def test_an_image_that_is_no_formula_is_no_text() -> None:
    html = '<img class="math-teacher" src="t.png" alt="Mrs Smith teaches"><img class="equation" alt="equation editor">'
    assert all_text(f"<p>so {html} on</p>").split() == ["so", "on"]


@pytest.mark.parametrize("piece", ['<mi "', "<mi a", "<mrow>", "<msup>", '<mfenced open="', "</mi>", "<mi/", "<a:b"])
def test_broken_mathml_ends_in_time(piece: str) -> None:
    started = time.process_time()
    translate("<math>" + "<mrow>" * 49 + piece * 30_000)
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Here $x$ and $a^2$.", 4),
        ("$$\\int x$$", 6),
        ("\\(a+b\\) and \\[c=d\\]", 6),
        ("\\begin{align*}x&=1\\end{align*}", 4),
        ("It cost $5, now $6.", 0),
        ("It cost $5 or $x^2$ of something", 3),
        ("$a = $b; $c = $d;", 0),
        ("C:\\(x86)\\", 0),
        ("", 0),
    ],
)
def test_characters_of_formulas_are_counted_and_prices_and_variables_are_none(text: str, count: int) -> None:
    assert formula_characters(text) == count


@pytest.mark.parametrize("piece", ["$", "$$ ", "$a", "\\(", "\\[", "\\begin{abc}", "$x ", "\\begin{a"])
def test_openings_without_an_end_cost_time_in_their_number(piece: str) -> None:
    text = piece * (2_000_000 // len(piece))
    begin = time.process_time()
    formula_characters(text)
    assert time.process_time() - begin < 20
