"""The engine `blocks`: what it keeps verbatim, that the trees score as LightGBM does, and that no page breaks it."""

from __future__ import annotations

import time

import numpy as np
import pytest

from curate.kernels.block_feature_names import HINTS
from curate.kernels.block_features import features
from curate.kernels.block_net import groups, net_odds
from curate.kernels.html import scan
from curate.kernels.html_measure import C_COMMAS, C_ENDS, C_STOPS, C_WORDS
from curate.kernels.html_text import emit
from curate.kernels.trees import parse_lightgbm, score
from curate.stages.extract import asciimath
from curate.stages.extract.blocks import (
    BY_TREES,
    MODELS,
    NET_SHARE,
    PATH_SHARE,
    RULED_OUT,
    TREES_FILE,
    choose,
    extract_blocks,
    load_model,
)
from curate.stages.extract.engines import Options
from curate.stages.extract.structure import write_text
from curate.stages.extract.units import structure_of
from tests.curate.extract.paragraph import PARAGRAPH


def article(body: str) -> str:
    return (
        '<html><head><title>The harvest</title></head><body><nav><ul><li><a href="/">Home</a><li><a href="/n">News</a>'
        f'</ul></nav><main><article class="post"><h1>The harvest</h1><p>{PARAGRAPH}</p>{body}<p>{PARAGRAPH * 2}</p>'
        '</article></main><footer><a href="/p">Privacy policy</a> Copyright 2024, all rights reserved</footer></body>'
    )


def all_text(html: str, markdown: bool = False) -> str:
    """The text of every block, chosen or not."""
    source = html.encode()
    page = scan(source)
    return write_text(source, page, structure_of(page), np.arange(len(page.node)), markdown).text


def block_texts(html: str) -> list[str]:
    source = html.encode()
    page = scan(source)
    blocks = np.arange(len(page.node))
    raw, offsets = emit(source, page, blocks, np.zeros(len(blocks), np.int8))
    return [raw[offsets[b] : offsets[b + 1]].decode() for b in blocks]


def test_article_is_kept_and_furniture_is_not() -> None:
    text = extract_blocks(article(f"<p>{PARAGRAPH}</p>"), Options()).text
    assert PARAGRAPH.strip() in text
    assert "Privacy policy" not in text
    assert "Home" not in text


def test_omitted_end_tags_separate_blocks_as_in_a_browser() -> None:
    assert block_texts("<p>a<p>b<ul><li>c<li>d</ul><dl><dt>e<dd>f</dl><table><tr><td>g<td>h<tr><td>i</table>j") == list(
        "abcdefghij"
    )


def test_inline_elements_join_and_comments_scripts_and_styles_vanish() -> None:
    html = "<p>a <b>bo</b>ld <!-- no > --><script>if (a<b) '</p>'</script><style>p{}</style>word < 3 &amp; more</p>"
    assert block_texts(html) == ["a bold word < 3 &amp; more"]


def test_inline_elements_side_by_side_are_set_apart_unless_they_part_a_word() -> None:
    def line(html: str) -> str:
        return block_texts(f"<div>{html}</div>")[0]

    assert line("<span>Publisher</span><span class=v>Mifflin</span>") == "Publisher Mifflin"
    assert line("<a href=x>Größe</a><!-- --><b><i>Ärmel</i></b>") == "Größe Ärmel"
    assert line("<b>T</b><span>he mill</span>") == "The mill"  # an initial
    assert line("Harvest<b>er</b>s") == "Harvesters"
    assert line("<span>extra</span>ordinary") == "extraordinary"
    assert line("<b>$19</b><i>.99</i>") == "$19.99"
    assert line("<i>日本</i><b>東京</b>") == "日本東京"
    assert all_text("<pre><i>int</i><b>eger</b></pre>") == "integer"


def test_two_line_breaks_part_paragraphs_and_one_does_not() -> None:
    assert block_texts("<div>a<br>b<br><br>c</div>") == ["a\nb", "c"]


CODE = 'def f(x):\n    if x < 3 and y > "2":\n\treturn  a & b\n\n    # end'


def test_code_is_byte_identical_after_entity_decoding() -> None:
    encoded = CODE.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    highlighted = encoded.replace("def", '<span class="k">def</span>').replace(
        "return", '<span class="k">return</span>'
    )
    html = f'<pre><code class="language-python">\n{highlighted}\n</code></pre>'
    assert all_text(html) == CODE
    assert all_text(html, markdown=True) == f"```python\n{CODE}\n```"
    assert CODE in extract_blocks(article(html), Options()).text


def test_tables_keep_every_cell_and_align_them() -> None:
    html = "<table><tr><th>Name<th>Value<tr><td>a<td>1<tr><td><td>2</table>"
    assert all_text(html) == "Name | Value\na | 1\n | 2"
    assert all_text(html, markdown=True) == "| Name | Value |\n| --- | --- |\n| a | 1 |\n|  | 2 |"


def test_a_table_is_kept_or_left_with_all_its_cells() -> None:
    page = scan(b"<table><tr><td>a<td>b<tr><td>c<td>d</table><p>e<table><tr><td><h2>f</h2><td>g</table>")
    units = structure_of(page).units
    assert len(set(units[:4])) == 1
    assert len(set(units[4:])) == 3  # a table with a heading in it lays out the page
    keep = choose(np.array([3.0, 3.0, -1.0, 3.0, -4.0, -4.0, -4.0]), np.ones(7), units)
    assert keep.tolist() == [True] * 4 + [False] * 3


def test_code_in_lines_of_their_own_elements_is_one_listing() -> None:
    lines = ["&lt;%", "&nbsp;&nbsp;int x;", "&nbsp;", "%&gt;"]
    for tag in ("code", "span"):
        divs = "".join(f'<div class="line"><{tag}>{line}</{tag}></div>\n' for line in lines)
        html = f"<div>{divs}</div>" if tag == "code" else f"<pre>{divs.replace(chr(10), '')}</pre>"
        assert all_text(html).replace("\xa0", " ").split("\n") == [
            "<%",
            "  int x;",
            *([""] if tag == "code" else [" "]),
            "%>",
        ]


def test_an_advertisement_encoded_twice_is_no_text() -> None:
    ad = '<div style="x"><img src="https://ads.example/b.gif"></div>'.replace("<", "&lt;").replace(">", "&gt;")
    assert all_text(f"<p>so</p><div>{ad}</div><pre>{ad}</pre>").startswith("so\n<div style")
    assert all_text(f"<p>so</p><div>{ad}</div><pre>{ad}</pre>").count("ads.example") == 1


def test_code_broken_by_br_keeps_blank_lines_and_indentation() -> None:
    html = "<p>so</p><div><code>\nfor x:<br />\n&nbsp; print(x)<br />\n<br />\n    done</code></div>"
    assert all_text(html) == "so\nfor x:\n  print(x)\n\ndone"
    assert all_text("<code>a<br>   b</code>") == "a\n   b"


def test_cells_that_span_keep_the_others_under_their_headers() -> None:
    html = (
        "<table><tr><th rowspan=2>Year<th colspan='2'>Sales</tr><tr><th>North<th>South</tr>"
        "<tr><td rowspan=2>2024<td>1<td>2</tr><tr><td>3<td>4</tr><tr><td colspan=3>All in millions</table>"
    )
    assert all_text(html) == "Year | Sales\n | North | South\n2024 | 1 | 2\n | 3 | 4\nAll in millions"
    assert all_text(html, markdown=True) == "\n".join(
        [
            "| Year | Sales |  |",
            "| --- | --- | --- |",
            "|  | North | South |",
            "| 2024 | 1 | 2 |",
            "|  | 3 | 4 |",
            "| All in millions |  |  |",
        ]
    )


def test_spans_that_lie_cost_no_more_than_their_tags() -> None:
    html = "<table>" + "<tr><td colspan=999999 rowspan=65534>a<td rowspan=x colspan=-1>b" * 20_000 + "</table>"
    started = time.process_time()
    text = all_text(html, markdown=True)
    assert text.count("a") == text.count("b") == 20_000
    assert len(text) < 60 * len(html)
    assert time.process_time() - started < 20


def test_headings_lists_and_quotes_become_markdown() -> None:
    html = "<h2>Head</h2><ul><li>one<ul><li>two</ul><li>three</ul><blockquote><p>said</p></blockquote>"
    assert all_text(html, markdown=True) == "## Head\n\n- one\n  - two\n- three\n\n> said"


@pytest.mark.parametrize(
    ("html", "tex"),
    [
        ('<math><semantics><mi>x</mi><annotation encoding="application/x-tex">x &lt; y</annotation></semantics></math>',
         "$x < y$"),
        ('<math alttext="{\\displaystyle E=mc^{2}}"><mi>E</mi></math>', "$E=mc^{2}$"),
        ('<script type="math/tex; mode=display">\\sum_i x_i</script>', "$$\\sum_i x_i$$"),
        ('<span class="katex"><span class="katex-mathml"><math><annotation encoding="application/x-tex">\\alpha'
         '</annotation></math></span><span class="katex-html" aria-hidden="true"><span>α</span></span></span>',
         "$\\alpha$"),
        ('<img class="latex" src="/latex.php?latex=a" alt="a_n &amp; b">', "$a_n & b$"),
        ('<img src="/cgi-bin/mimetex.cgi?f(z)=\\exp(z)-1">', "$f(z)=\\exp(z)-1$"),
        ('<img src="https://latex.codecogs.com/svg.latex?a%5E2&amp;bg=fff">', "$a^2$"),
        ("<math><mfrac><mi>a</mi><msqrt><mi>b</mi></msqrt></mfrac></math>", "$\\frac{a}{\\sqrt{b}}$"),
        ('<span class="MathJax_Preview">[x]</span><script type="math/tex">x^2</script>', "$x^2$"),
        ("\\(a+b\\)", "\\(a+b\\)"),
    ],
)  # fmt: skip
def test_formula_becomes_tex(html: str, tex: str) -> None:
    assert all_text(f"<p>so {html} holds</p>") == f"so {tex} holds"


@pytest.mark.parametrize(
    ("source", "tex"),
    [
        ("sum_(k=1)^n k = (n(n+1))/2", r"{\sum}_{k = 1}^{n} k = \frac{n \left(n + 1\right)}{2}"),
        ("e^(2x) <= sqrt x", r"{e}^{2 x} \le \sqrt{x}"),
        ("root(3)(y) in RR", r"\sqrt[3]{y} \in \mathbb{R}"),
        ("((a, b), (c, d))", r"\left(\begin{matrix}a & b \\ c & d\end{matrix}\right)"),
        ("|->(", r"\mapsto \left(\right."),
    ],
)
def test_asciimath_becomes_tex(source: str, tex: str) -> None:
    script = '<script src="/js/ASCIIMathML.js"></script>'
    assert all_text(f"{script}<p>so `{source.replace('<', '&lt;')}` holds</p>") == f"so ${tex}$ holds"
    assert all_text(f"<p>so `{source}` holds</p>".replace("<=", "&lt;=")) == f"so `{source}` holds"
    assert all_text(f'<p>so <script type="math/asciimath">{source}</script> holds</p>') == f"so ${tex}$ holds"


def test_hostile_asciimath_ends_in_time() -> None:
    started = time.process_time()
    for source in ("(" * 2000, "((" * 400 + "a,b),(" * 200, "sqrt" * 500, "1/" * 1000, "^_" * 1000):
        asciimath.to_tex(source)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "text",
    ["One, two. Three?", "一、二。三？", "一，二。三！", "واحد، اثنان. ثلاثة؟", "ایک، دو۔ تین؟", "एक, दो। तीन॥"],
)
def test_commas_and_stops_of_other_scripts_count(text: str) -> None:
    counts = scan(f"<p>{text}</p>".encode()).counts[0]
    assert (counts[C_COMMAS], counts[C_STOPS], counts[C_ENDS], counts[C_WORDS]) == (1, 2, 1, 3)


def test_text_inside_noscript_is_read() -> None:
    assert block_texts("<noscript><div>posts for crawlers</div></noscript>") == ["posts for crawlers"]


def test_trees_score_as_lightgbm_does() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    text = (MODELS / TREES_FILE).read_text()
    booster = lightgbm.Booster(model_str=text)
    random = np.random.default_rng(0)
    rows = random.normal(0, 8, (500, booster.num_feature())).astype(np.float32)
    # Values on a threshold are where rounding could show.
    rows = np.where(random.random(rows.shape) < 0.3, np.round(rows), rows)
    assert np.allclose(score(parse_lightgbm(text), rows), booster.predict(rows, raw_score=True), rtol=0, atol=1e-9)


def test_only_blocks_that_the_network_does_not_rule_out_are_put_to_the_trees() -> None:
    model = load_model()
    menu = "<li class=menu-item><a href=x>Link</a>" * 40
    footer = f"<footer class=site-footer><ul class=footer-nav>{menu}</ul><p>Copyright 2020 Site</footer>"
    source = (article("") + footer).encode()
    page = scan(source)
    rows = features(page, np.zeros(len(HINTS), np.float32), len(source))
    by_net, by_trees = net_odds(model.net, page, rows), score(model.trees, rows)
    out = by_net < RULED_OUT
    assert out.any() and not out.all()
    by_both = (1 - NET_SHARE) * np.where(out, BY_TREES, by_trees) + NET_SHARE * by_net
    path = groups(page)[0]
    mean = np.bincount(path, by_both, len(path)) / np.maximum(np.bincount(path, minlength=len(path)), 1)
    assert np.allclose(model.odds(page, rows), (1 - PATH_SHARE) * by_both + PATH_SHARE * mean[path], rtol=0, atol=1e-9)
    assert np.array_equal(path[-41:-1], np.full(40, path[-41])), "the links of the menu are of one path"


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 100_000 + "deep" + "</div>" * 100_000,
        "<b><i><a href=x>" * 50_000 + "deep",
        "<svg>" * 300_000,
        "<p>" * 300_000,
        "<!--" * 300_000,
        "<table><tr><td>" * 100_000 + "deep",
        "<math>" * 200_000 + "</math>",
        "<" * 1_000_000,
        '<div a="' * 200_000,
        "&" * 1_000_000,
        "<meta " * 200_000,
        "rel=license " * 100_000,
        '<script type="application/ld+json">' * 20_000,
        "<pre>" + "x\n" * 300_000,
        "\x00\x01<p>\x01</p>\ud800",
    ],
    ids=lambda html: repr(html[:12]),
)  # fmt: skip
def test_hostile_pages_end_in_time(html: str) -> None:
    started = time.process_time()
    extract_blocks(html, Options(format="markdown"))
    assert time.process_time() - started < 20


def test_ten_megabytes_cost_in_proportion() -> None:
    def seconds(copies: int) -> float:
        html = article(f"<p>{PARAGRAPH}</p>" * copies)
        started = time.process_time()
        extract_blocks(html, Options())
        return time.process_time() - started

    seconds(100)
    small, large = seconds(4_000), seconds(40_000)
    assert large < 30 * max(small, 0.01)
