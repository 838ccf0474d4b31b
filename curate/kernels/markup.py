"""Constants of the page scanner: element names, what each does to the tree, and automata that look for words.

Everything here ends as small arrays that the scanner in `curate.kernels.html` indexes; names stay readable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

VOID = ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"]
RAW = [
    "script",
    "style",
    "textarea",
    "title",
    "iframe",
    "noembed",
    "noframes",
    "xmp",
    "select",
    "svg",
    "math",
    "template",
]
"""Elements whose content is not page text (or, for math and TeX scripts, is read as one piece)."""
BLOCK = [
    "html",
    "body",
    "div",
    "p",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "table",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "td",
    "th",
    "caption",
    "blockquote",
    "pre",
    "article",
    "section",
    "main",
    "aside",
    "nav",
    "header",
    "footer",
    "address",
    "form",
    "fieldset",
    "legend",
    "figure",
    "figcaption",
    "details",
    "summary",
    "dialog",
    "center",
    "menu",
    "dir",
    "search",
    "button",
    "option",
    "optgroup",
    "video",
    "audio",
    "canvas",
    "object",
    "hgroup",
    "noscript",
]
INLINE = [
    "a",
    "span",
    "b",
    "strong",
    "i",
    "em",
    "u",
    "s",
    "code",
    "kbd",
    "samp",
    "tt",
    "var",
    "sub",
    "sup",
    "small",
    "big",
    "font",
    "abbr",
    "cite",
    "q",
    "mark",
    "label",
    "time",
]

NAMES = ["", *VOID, *RAW, *BLOCK, *INLINE]
"""Element code → name; 0 is any other element, which is inline."""
CODE = {name: code for code, name in enumerate(NAMES)}

IS_VOID = np.array([name in VOID for name in NAMES], dtype=np.bool_)
IS_RAW = np.array([name in RAW for name in NAMES], dtype=np.bool_)
IS_BLOCK = np.array([name in BLOCK or name == "hr" for name in NAMES], dtype=np.bool_)
ENDS_P = np.array(
    [name in BLOCK and name not in ("button", "option", "optgroup", "object", "video", "audio") for name in NAMES],
    dtype=np.bool_,
)
"""Start tags that end an open paragraph (HTML Living Standard, 13.2.6.4.7)."""

TABLE_SIZE = 1024


def name_hash(name: bytes) -> int:
    """FNV-1a, 32 bits, of a lower-case ASCII name; the scanner computes the same."""
    value = 2166136261
    for byte in name:
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value


def hash_table(
    names: Sequence[str], others: Mapping[str, int] = MappingProxyType({})
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int16]]:
    """Open-addressing table: hashes (−1: free) and codes."""
    hashes, codes = np.full(TABLE_SIZE, -1, np.int64), np.zeros(TABLE_SIZE, np.int16)
    for name, code in [*((name, code) for code, name in enumerate(names)), *others.items()]:
        if name:
            value = name_hash(name.encode())
            slot = value % TABLE_SIZE
            while hashes[slot] >= 0:
                slot = (slot + 1) % TABLE_SIZE
            hashes[slot], codes[slot] = value, code
    return hashes, codes


TAG_HASHES, TAG_CODES = hash_table(NAMES, {"mml:math": CODE["math"], "m:math": CODE["math"]})

ATTRIBUTES = [
    "", "class", "id", "role", "href", "style", "hidden", "alt", "src", "type", "itemprop", "aria-hidden", "colspan",
    "rowspan",
]  # fmt: skip
ATTRIBUTE_HASHES, ATTRIBUTE_CODES = hash_table(ATTRIBUTES)

# Words of class, id, role and itemprop that say what a part of a page is for. `_` stands for the word's edge.
CLASS_WORDS: dict[str, str] = {
    "nav": "nav menu_ _menu topnav",
    "header": "header masthead topbar hero jumbotron",
    "footer": "footer copyright colophon bottom",
    "sidebar": "sidebar side_bar _side_ _rail_ aside secondary complementary",
    "comment": "comment disqus respond",
    "share": "share sharing social follow twitter facebook",
    "related": "related recommend similar suggest trending popular upsell crosssell cross_sell more_from _more_ recirc",
    "advert": "_ad_ _ads_ advert sponsor promo banner dfp _gpt _cta",
    "cookie": "cookie consent gdpr privacy",
    "modal": "modal popup dialog overlay lightbox toast drawer offcanvas tooltip",
    "subscribe": "subscri newsletter signup sign_up login signin register paywall",
    "content": "content",
    "article": "article story",
    "post": "post entry blog",
    "body": "body text rte richtext prose markdown wysiwyg",
    "main": "main primary",
    "title": "title heading headline",
    "meta": "meta byline author _date publish timestamp _time",
    "tags": "_tag categor taxonomy topic label",
    "widget": "widget module plugin elementor",
    "product": "product price _sku cart buy shop variant",
    "description": "descri detail spec feature summary excerpt overview intro lead",
    "review": "review rating testimonial star",
    "forum": "message thread forum bbcode discussion",
    "answer": "question answer accepted",
    "quote": "quote signature _sig_",
    "list": "list grid catalog result collection",
    "card": "card item tile teaser",
    "caption": "caption figure image photo credit",
    "carousel": "gallery carousel slider swiper slick slide",
    "hidden": "hidden _hide _sr_ sronly screen_reader visually skip invisible",
    "breadcrumb": "breadcrumb crumb",
    "pagination": "pagin pager _next_ _prev",
    "tabs": "_tab accordion faq collaps toggle panel",
    "toc": "_toc tableofcontents table_of_contents contents",
    "code": "code highlight syntax",
    "user": "user profile avatar member bio",
    "search": "search filter facet _sort",
    "form": "form contact input",
    "docs": "_doc guide wiki mw_ reference",
    "notice": "notice alert warning admonition _tip",
    "math": "latex math codecogs equation",
}
CLASS_NAMES = list(CLASS_WORDS)

# Words by which highlighters mark the numbers of lines. They stand above the others' bits; no model sees them.
CODE_WORDS: dict[str, str] = {
    "line_number": "_linenos_ _lineno_ _linenodiv_ _blob_num_ _hljs_ln_n _crayon_num _rouge_gutter_",
    "line_number_in_code": "_ln_ _lnt_ _linenumber _line_number",
    "gutter": "_gutter_",
    "numbered": "_hljs_ln_",
}
LINE_NUMBER, LINE_NUMBER_IN_CODE, GUTTER, NUMBERED = (1 << bit for bit in range(len(CODE_WORDS)))

# Words of the text itself that furniture uses.
TEXT_WORDS: dict[str, str] = {
    "cookies": "cookie consent gdpr datenschutz",
    "rights": "copyright rights_reserved privacy terms_of policy impressum",
    "subscribe": "subscribe newsletter sign_up log_in login sign_in register create_an_account anmelden abonn",
    "share": "_share_ _share follow_us facebook twitter linkedin whatsapp pinterest instagram",
    "comments": "comment _reply leave_a",
    "more": "read_more learn_more view_all show_more see_all view_more load_more weiterlesen see_more",
    "related": "related recommended you_may you_might popular trending latest also_like",
    "shop": "add_to_cart add_to _cart_ checkout shipping in_stock _price _buy",
    "byline": "posted published updated written_by _by_ views likes ago_ min_read",
    "site": "search _menu_ _home_ skip_to close back_to sitemap contact_us about_us",
    "forum": "joined posts_ member _quote_ thread replies votes asked answered edited",
    "months": "january february march april june july august september october november december",
    "script": "javascript browser enable",
}
TEXT_NAMES = list(TEXT_WORDS)

EDGE = 27
"""The symbol of every byte that is no ASCII letter."""
FOLD = np.full(256, EDGE, np.uint8)
for _letter in range(26):
    FOLD[97 + _letter] = FOLD[65 + _letter] = _letter + 1


SYMBOL_BITS = 5
"""What follows a state stands at `state << SYMBOL_BITS | symbol`."""


def automaton(words: dict[str, str]) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int64]]:
    """Aho and Corasick's automaton (1975): the state that follows each by a symbol, and the bits of the words that end
    at each."""
    children: list[dict[int, int]] = [{}]
    bits = [0]
    for bit, pieces in enumerate(words.values()):
        for piece in pieces.split():
            state = 0
            for character in piece:
                symbol = EDGE if character == "_" else ord(character) - 96
                if symbol not in children[state]:
                    children[state][symbol] = len(children)
                    children.append({})
                    bits.append(0)
                state = children[state][symbol]
            bits[state] |= 1 << bit
    table = np.zeros((len(children), 28), np.uint16)
    failure = [0] * len(children)
    queue = deque(children[0].values())
    for symbol, child in children[0].items():
        table[0, symbol] = child
    while queue:
        state = queue.popleft()
        bits[state] |= bits[failure[state]]
        table[state] = table[failure[state]]
        for symbol, child in children[state].items():
            failure[child] = int(table[failure[state], symbol])
            table[state, symbol] = child
            queue.append(child)
    following = np.zeros((len(children), 1 << SYMBOL_BITS), np.uint16)
    following[:, :28] = table
    return following.ravel(), np.array(bits, dtype=np.int64)


CLASS_TABLE, CLASS_BITS = automaton(CLASS_WORDS | CODE_WORDS)
TEXT_TABLE, TEXT_BITS = automaton(TEXT_WORDS)
