"""Code as highlighters write it: line for line what the author wrote, without their line numbers and buttons."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.curate.extract.test_blocks import all_text

CODE = 'def f(x):\n    if x < 3:\n        return "a & b"\n\n    return 0'
LINES = CODE.replace("&", "&amp;").replace("<", "&lt;").split("\n")
ESCAPED = "\n".join(LINES)


def each(line: Callable[[int, str], str]) -> str:
    return "".join(line(number + 1, text) for number, text in enumerate(LINES))


def spaces(text: str) -> str:
    return "&nbsp;" * (len(text) - len(text.lstrip())) + text.lstrip()


NUMBERS = "\n".join(map(str, range(1, 6)))
FORMATS = {
    "GitHub, a file": '<table class="highlight js-file-line-container">'
    + each(
        lambda n, text: (
            f'<tr><td id="L{n}" class="blob-num js-line-number" data-line-number="{n}">{n}</td>'
            f'<td id="LC{n}" class="blob-code blob-code-inner js-file-line">{text or chr(10)}</td></tr>\n'
        )
    )
    + "</table>",
    "GitHub, a README": '<div class="highlight highlight-source-python"><pre><span class="pl-k">def</span>'
    f'{ESCAPED[3:]}</pre><div class="zeroclipboard-container"><clipboard-copy aria-label="Copy"></div></div>',
    "highlight.js": '<pre><code class="hljs language-python"><span class="hljs-keyword">def</span>'
    f"{ESCAPED[3:]}\n</code></pre>",
    "highlight.js, line numbers": '<pre><code class="hljs python"><table class="hljs-ln"><tbody>'
    + each(
        lambda n, text: (
            f'<tr><td class="hljs-ln-line hljs-ln-numbers"><div class="hljs-ln-n">{n}</div></td>'
            f'<td class="hljs-ln-line hljs-ln-code">{text or chr(10)}</td></tr>'
        )
    )
    + "</table></code></pre>",
    "Prism": '<div class="code-toolbar"><pre class="line-numbers language-python"><code class="language-python">'
    f'<span class="token keyword">def</span>{ESCAPED[3:]}<span aria-hidden="true" class="line-numbers-rows">'
    '<span></span></span></code></pre><div class="toolbar"><button class="copy"><span>Copy</span></button></div></div>',
    "Prism, React": '<div class="language-python"><pre class="prism-code language-python"><code>'
    + each(lambda n, text: f'<span class="token-line"><span class="token plain">{text}</span><br></span>')
    + '</code></pre><div><button type="button" aria-label="Copy code">Copy</button></div></div>',
    "Prism, lines in elements": '<pre class="language-python">'
    + each(lambda n, text: f'<div class="token-line"><span class="token plain">{text or chr(10)}</span></div>')
    + "</pre>",
    "Pygments": '<div class="highlight-python notranslate"><div class="highlight"><pre><span></span><span class="k">def'
    f"</span>{ESCAPED[3:]}\n</pre></div></div>",
    "Pygments, a table": '<div class="highlight-python"><table class="highlighttable"><tr><td class="linenos">'
    f'<div class="linenodiv"><pre>{NUMBERS}</pre></div></td><td class="code"><div class="highlight"><pre>{ESCAPED}\n'
    "</pre></div></td></tr></table></div>",
    "Pygments, numbers in the lines": '<div class="highlight-python"><pre><span></span>'
    + each(lambda n, text: f'<span class="linenos"> {n}</span>{text}\n')
    + "</pre></div>",
    "Pygments, older": '<div class="highlight-python"><pre>'
    + each(lambda n, text: f'<span class="lineno"> {n} </span>{text}\n')
    + "</pre></div>",
    "Chroma": '<div class="highlight"><pre class="chroma"><code class="language-python" data-lang="python">'
    + each(lambda n, text: f'<span class="line"><span class="ln">{n}</span><span class="cl">{text}\n</span></span>')
    + "</code></pre></div>",
    "Chroma, a table": '<div class="chroma"><table class="lntable"><tr><td class="lntd"><pre class="chroma"><code>'
    + each(lambda n, text: f'<span class="lnt"><a href="#{n}">{n}</a>\n</span>')
    + '</code></pre></td><td class="lntd"><pre class="chroma"><code class="language-python" data-lang="python">'
    f"{ESCAPED}\n</code></pre></td></tr></table></div>",
    "Rouge": '<div class="language-python highlighter-rouge"><pre class="highlight"><code><table class="rouge-table">'
    f'<tr><td class="rouge-gutter gl"><pre class="lineno">{NUMBERS}\n</pre></td>'
    f'<td class="rouge-code"><pre>{ESCAPED}\n</pre>'
    "</td></tr></table></code></pre></div>",
    "Hexo": '<figure class="highlight python"><table><tr><td class="gutter"><pre>'
    + each(lambda n, text: f'<span class="line">{n}</span><br>')
    + '</pre></td><td class="code"><pre>'
    + each(lambda n, text: f'<span class="line">{text}</span><br>')
    + "</pre></td></tr></table></figure>",
    "a table of numbers and code": f"<table><tr><td><pre>{NUMBERS}</pre></td>"
    f"<td><pre lang=python>{ESCAPED}</pre></table>",
    "SyntaxHighlighter": '<div class="syntaxhighlighter python"><table><tr><td class="gutter">'
    + each(lambda n, text: f'<div class="line number{n} index{n - 1} alt2">{n}</div>')
    + '</td><td class="code"><div class="container">'
    + each(
        lambda n, text: (
            f'<div class="line number{n} index{n - 1} alt2">'
            + (f'<code class="python spaces">{spaces(text)}</code>' if text else "&nbsp;")
            + "</div>"
        )
    )
    + "</div></td></tr></table></div>",
    "Shiki": '<pre class="shiki"><code data-language="python">'
    + "\n".join(f'<span class="line"><span style="color:#fff">{text}</span></span>' for text in LINES)
    + "</code></pre>",
    "a button inside": f'<pre><button class="copy">Copy</button><code class="lang-python">{ESCAPED}</code></pre>',
    "line breaks": '<pre lang="python">' + "<br>".join(LINES) + "</pre>",
    "CR LF": '<pre class="brush: python">\r\n' + ESCAPED.replace("\n", "\r\n") + "\r\n</pre>",
    "CR as an entity": f'<pre><code class="python">{ESCAPED.replace(chr(10), "&#13;" + chr(10))}</code></pre>',
    "one code element a line": '<pre class="src src-python">'
    + "\n".join(f"<code>{text}</code>" for text in LINES)
    + "</pre>",
}

UNSAID = ("GitHub, a file",)
"""Formats that say no language."""


@pytest.mark.parametrize("name", FORMATS)
def test_highlighted_code_is_the_code_alone(name: str) -> None:
    html = f"<p>before</p>{FORMATS[name]}<p>after</p>"
    assert all_text(html) == f"before\n{CODE}\nafter"
    assert all_text(html, markdown=True).replace("```python", "```") == f"before\n\n```\n{CODE}\n```\n\nafter"
    assert ("```python" in all_text(html, markdown=True)) == (name not in UNSAID)


def test_numbers_that_a_program_prints_are_kept() -> None:
    for numbers in ("8\n8\n8", "1\n2\n3", "3"):
        assert all_text(f"<p>It prints</p><pre>{numbers}</pre>") == f"It prints\n{numbers}"
    assert all_text("<table><tr><td>in<td><pre>1\n2</pre></table>") == "in\n1\n2"
    html = '<p class="ln">12</p><div class="gutter">7</div><span class="line-number">42</span>'
    assert all_text(html) == "12\n7\n42"
    assert all_text('<pre class="line-numbers"><code class="ln">42</code></pre>') == "42"


def test_tabs_spaces_and_no_break_spaces_are_left_alone() -> None:
    code = "\tif x:\n\t  y = 'a\xa0b'   # c  \n\n\n  z"
    assert all_text(f"<pre>{code}</pre>".replace("\xa0", "&nbsp;")) == code


def test_only_the_first_line_end_of_preformatted_text_is_markup() -> None:
    assert all_text("<p>a</p><pre>\n\n  b\n\n</pre>") == "a\n\n  b"


def test_xmp_is_code_without_entities() -> None:
    assert all_text("<p>so</p><xmp>&lt;b> <i>x</i>\n  &amp;</xmp><p>on") == "so\n&lt;b> <i>x</i>\n  &amp;\non"
    assert all_text("<pre>a &lt;\n<xmp>b &lt;</xmp></pre>") == "a <\nb &lt;"


def test_code_in_an_item_of_a_list_has_no_bullet_in_its_first_line() -> None:
    assert all_text("<ul><li><p>do</p><pre>a\n  b</pre></ul>") == "- do\na\n  b"
    assert all_text("<ul><li><pre>a\n  b</pre></ul>") == "a\n  b"
    html = '<pre class="prettyprint linenums"><ol class="linenums"><li>a<li>  b<li>c</ol></pre>'
    assert all_text(html) == "a\n  b\nc"


@pytest.mark.parametrize(
    ("around", "language"),
    [
        ('<pre><code class="language-c++">{}</code></pre>', "c++"),
        ('<pre class="brush: csharp; gutter: true">{}</pre>', "csharp"),
        ('<div class="highlight-source-shell"><pre>{}</pre></div>', "shell"),
        ('<div class="highlight-shell-session notranslate"><pre>{}</pre></div>', "shell-session"),
        ('<div class="highlight-default notranslate"><div class="highlight"><pre>{}</pre></div></div>', ""),
        ('<pre class="sourceCode haskell"><code class="sourceCode haskell">{}</code></pre>', "haskell"),
        ('<pre class="highlight-height language-typescript">{}</pre>', "typescript"),
        ('<pre><code class="language-js">a</code></pre><p>then</p><pre><code>{}</code></pre>', ""),
        ('<body class="language-en"><p>so</p><pre>{}</pre>', ""),
        ('<div lang="en" class="box"><pre>{}</pre></div>', ""),
        ('<pre class="code rust">{}</pre>', "rust"),
        ('<pre class="wide">{}</pre>', ""),
    ],
)  # fmt: skip
def test_language_is_what_the_nearest_class_says(around: str, language: str) -> None:
    assert f"```{language}\nx = 1\n```" in all_text(around.format("x = 1"), markdown=True)
