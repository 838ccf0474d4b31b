"""The HTML around content: six templates with menus, cookie banners, related links and footers, and their faults.

The boilerplate is the part of a page that no extractor should keep. Malformed sites leave tags open, nest them
wrongly, forget quotes; all of it is what browsers have learned to read.
"""

from __future__ import annotations

import re
from html import escape
from random import Random

from examples.miniweb.page import Block, Page
from examples.miniweb.tongues import tongues

ENGLISH_UI = {
    "home": "Home", "about": "About us", "contact": "Contact", "archive": "Archive", "search": "Search",
    "more": "Read more", "related": "You may also like", "accept": "Accept all", "rights": "All rights reserved",
    "cookie": "We use cookies to give you the best experience on our website and to analyse traffic.",
    "privacy": "Privacy policy",
}  # fmt: skip
MATHML = "http://www.w3.org/1998/Math/MathML"

UNQUOTED = re.compile(r'<div class="([\w-]+)">')


def render(page: Page, links: list[Page], rng: Random) -> str:
    """The page as HTML. `links` are pages of the same site for menus and related links."""
    ui = ENGLISH_UI if page.site.language == "en" else tongues()[page.site.language]["ui"]
    site, shell = page.site, page.site.shell
    content = "\n".join(_block(block, shell, rng) for block in page.blocks)
    if page.kind == "forum":
        content = _thread(page, rng)
    title = escape(page.title)
    menu = [("/", ui["home"]), ("/about", ui["about"]), ("/archive", ui["archive"]), ("/contact", ui["contact"])]
    related = [(link.path, link.title) for link in links]
    meta = f'<meta charset="{site.charset}">' if site.declared in ("meta", "both") else ""
    if meta and shell % 2:
        meta = f'<meta http-equiv="Content-Type" content="text/html; charset={site.charset}">'
    head = (
        f"{meta}\n<title>{title} | {escape(site.title)}</title>\n"
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="description" content="{escape(page.title)} - {escape(site.title)}">\n'
        f'<link rel="canonical" href="https://{site.host}{escape(page.original_path or page.path)}">\n'
        '<link rel="stylesheet" href="/static/site.css">\n'
        "<style>body{margin:0;font:16px/1.5 serif}.nav a{padding:4px}.hidden{display:none}</style>\n"
        f'<script>window.site={{"id":{rng.randint(1000, 9999)},"consent":false}};'
        "function track(e){return e&&e.id}</script>"
    )
    html = _SHELLS[shell](page, title, content, menu, related, ui, rng)
    lang = f' lang="{page.language}"' if shell != 3 else ""
    doctype = "<!DOCTYPE html>" if shell != 4 else '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN">'
    out = f"{doctype}\n<html{lang}>\n<head>\n{head}\n</head>\n<body>\n{html}\n</body>\n</html>\n"
    return spoil(out, rng) if site.malformed else out


def _links(items: list[tuple[str, str]], joint: str = "\n") -> str:
    return joint.join(f'<a href="{escape(path)}">{escape(text)}</a>' for path, text in items)


def _items(items: list[tuple[str, str]]) -> str:
    return "".join(f'<li><a href="{escape(path)}">{escape(text)}</a></li>\n' for path, text in items)


def _block(block: Block, shell: int, rng: Random) -> str:
    text = escape(block.text, quote=False)
    if block.tag in ("ul", "ol"):
        if block.items and block.items[0].startswith("/"):
            return f"<ul>{_items([tuple(item.split(' ', 1)) for item in block.items])}</ul>"  # type: ignore[misc]
        return f"<{block.tag}>\n" + "\n".join(f"<li>{escape(item)}</li>" for item in block.items) + f"\n</{block.tag}>"
    if block.tag == "table":
        rows = ("".join(f"<td>{escape(cell)}</td>" for cell in item.split(" | ")) for item in block.items)
        return '<table class="data">\n' + "\n".join(f"<tr>{row}</tr>" for row in rows) + "\n</table>"
    if block.tag == "pre":
        return f'<div class="highlight"><pre><code>{text}</code></pre></div>'
    if block.tag == "tex":
        return _formula(text, shell)
    if block.tag == "quote":
        return f"<blockquote><p>{text}</p></blockquote>"
    if block.tag == "question":
        return f"<p>{text}</p>"
    if block.tag == "p" and shell == 4:
        return f'<font size="2">{text}</font><br><br>'
    if block.tag == "p" and rng.random() < 0.12:
        words = text.split(" ")
        at = rng.randrange(len(words))
        words[at] = f'<a href="/archive">{words[at]}</a>' if rng.random() < 0.5 else f"<em>{words[at]}</em>"
        text = " ".join(words)
    return f"<{block.tag}>{text}</{block.tag}>"


def _formula(tex: str, shell: int) -> str:
    """As MathML with its TeX in an annotation, as KaTeX writes it, or as the source that MathJax will find."""
    if shell % 3 == 0:
        return (
            f'<math xmlns="{MATHML}" display="block"><semantics><mrow><mi>f</mi></mrow>'
            f'<annotation encoding="application/x-tex">{tex}</annotation></semantics></math>'
        )
    if shell % 3 == 1:
        return (
            f'<span class="katex-display"><span class="katex"><span class="katex-mathml"><math xmlns="{MATHML}">'
            f'<semantics><mrow><mi>f</mi></mrow><annotation encoding="application/x-tex">{tex}</annotation></semantics>'
            '</math></span><span class="katex-html" aria-hidden="true">f</span></span></span>'
        )
    return f'<div class="formula">\\[ {tex} \\]</div>'


def _thread(page: Page, rng: Random) -> str:
    posts = []
    for at, block in enumerate(page.blocks):
        posts.append(
            f'<div class="post" id="post-{at}"><div class="author">user_{rng.randint(10, 999)}<br>Posts: '
            f'{rng.randint(1, 4000)}</div><div class="body"><p>{escape(block.text, quote=False)}</p></div>'
            f'<div class="actions"><a href="#post-{at}">Reply</a> <a href="#">Report</a> Likes: {rng.randint(0, 40)}'
            "</div></div>"
        )
    return "\n".join(posts)


def _banner(ui: dict[str, str]) -> str:
    return (
        f'<div id="cookie-banner" class="consent" role="dialog"><p>{escape(ui["cookie"])}</p>'
        f'<button>{escape(ui["accept"])}</button> <a href="/privacy">{escape(ui["privacy"])}</a></div>'
    )


def _footer(page: Page, ui: dict[str, str]) -> str:
    return (
        f"&copy; 2025 {escape(page.site.title)}. {escape(ui['rights'])}. "
        f'<a href="/privacy">{escape(ui["privacy"])}</a> <a href="/contact">{escape(ui["contact"])}</a>'
    )


def _modern(page, title, content, menu, related, ui, rng) -> str:  # type: ignore[no-untyped-def]
    return f"""{_banner(ui)}
<header class="site-header"><a class="logo" href="/">{escape(page.site.title)}</a>
<nav class="nav"><ul>{_items(menu)}</ul></nav>
<form action="/search"><input name="q" placeholder="{escape(ui["search"])}"></form></header>
<main><article><h1>{title}</h1>
<div class="byline"><time datetime="2025-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}">2025</time></div>
{content}
</article>
<aside class="related"><h3>{escape(ui["related"])}</h3><ul>{_items(related)}</ul></aside></main>
<footer>{_footer(page, ui)}</footer>
<script async src="/static/app.js"></script>"""


def _columns(page, title, content, menu, related, ui, rng) -> str:  # type: ignore[no-untyped-def]
    return f"""<div id="wrapper"><div id="top"><div class="nav">{_links(menu, " | ")}</div></div>
<div id="sidebar"><h4>{escape(ui["archive"])}</h4><ul>{_items(related)}</ul>
<div class="widget"><h4>{escape(ui["search"])}</h4>
<form><input type="text"><input type="submit" value="OK"></form></div></div>
<div id="content" class="entry"><h1 class="entry-title">{title}</h1>
<div class="entry-content">
{content}
</div><p class="more"><a href="/archive">{escape(ui["more"])}</a></p></div>
<div id="footer">{_footer(page, ui)}</div></div>{_banner(ui)}"""


def _plain(page, title, content, menu, related, ui, rng) -> str:  # type: ignore[no-untyped-def]
    return f"""<p>{_links(menu, " &middot; ")}</p><hr>
<h1>{title}</h1>
{content}
<hr>
<h4>{escape(ui["related"])}</h4><ul>{_items(related)}</ul>
<p><small>{_footer(page, ui)}</small></p>"""


def _divs(page, title, content, menu, related, ui, rng) -> str:  # type: ignore[no-untyped-def]
    k = f"c{rng.randint(100, 999)}"
    return f"""<div class="{k}-a"><div class="{k}-b">{_links([*menu, *related[:2]])}</div></div>
<div class="{k}-m"><div class="{k}-t"><h2>{title}</h2></div><div class="{k}-x">
{content}
</div></div>
<div class="{k}-r"><span>{escape(ui["related"])}</span>{_links(related)}</div>
<div class="{k}-f">{_footer(page, ui)}</div><div class="{k}-c hidden">{escape(ui["cookie"])}</div>"""


def _tables(page, title, content, menu, related, ui, rng) -> str:  # type: ignore[no-untyped-def]
    return f"""<TABLE width="100%" border=0>
<TR><TD colspan=2 bgcolor="#eeeeee"><B>{escape(page.site.title)}</B></TD></TR>
<TR><TD width=160 valign=top>{_links([*menu, *related], "<BR>")}</TD>
<TD><FONT size="+2">{title}</FONT><BR><BR>
{content}
</TD></TR><TR><TD colspan=2 align=center><FONT size="1">{_footer(page, ui)}</FONT></TD></TR></TABLE>"""


def _application(page, title, content, menu, related, ui, rng) -> str:  # type: ignore[no-untyped-def]
    return f"""<noscript>Please enable JavaScript.</noscript><div id="app"><div role="navigation">{_links(menu)}</div>
{_banner(ui)}<div role="main"><h1>{title}</h1>
<div class="share"><a href="#">Share</a> <a href="#">Print</a> <a href="#">Save</a></div>
{content}
<div class="newsletter"><h3>Newsletter</h3><p>{escape(ui["more"])}: <input type="email"></p></div></div>
<div role="complementary"><h2>{escape(ui["related"])}</h2>{_links(related)}</div>
<div role="contentinfo">{_footer(page, ui)}</div></div>
<script type="application/json">{{"page":{rng.randint(1, 9999)},"props":{{"menu":["a","b"]}}}}</script>"""


_SHELLS = [_modern, _columns, _plain, _divs, _tables, _application]


def spoil(html: str, rng: Random) -> str:
    """One or two of the faults that pages have; none of them loses text."""
    faults = rng.sample(range(7), rng.randint(1, 2))
    for fault in faults:
        if fault == 0:
            html = html.replace("</p>", "").replace("</li>", "")
        elif fault == 1:
            html = html.replace("</body>\n</html>\n", "")
        elif fault == 2:
            html = UNQUOTED.sub(r"<div class=\1>", html).replace("<ul>", "<ul><b>", 1)
        elif fault == 3:
            html = html.replace("<body>", '<body bgcolor=white><body class="again">').replace("</h1>", "</h1></div>", 1)
        elif fault == 4:
            html = html.replace("&copy;", "&copy").replace("&amp;", "&")
        elif fault == 5:
            html = html.replace("</head>\n", "", 1).replace("<p>", "<P >", 4)
        else:
            html = "\n\n" + html.replace("<em>", "<em><strong>", 1)
    return html
