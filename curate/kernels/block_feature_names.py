"""The features of a block by name, in the order of the matrix that `curate.kernels.block_features` fills."""

from __future__ import annotations

import numpy as np

from curate.kernels import markup

GROUPS = {
    "p": "p",
    "heading": "h1 h2 h3 h4 h5 h6",
    "li": "li",
    "cell": "td th",
    "pre": "pre",
    "blockquote": "blockquote",
    "nav": "nav",
    "header": "header",
    "footer": "footer",
    "aside": "aside",
    "main": "main",
    "article": "article",
    "section": "section",
    "form": "form fieldset",
    "figure": "figure figcaption",
    "button": "button",
    "term": "dt dd",
    "details": "details summary",
    "table": "table",
    "list": "ul ol menu dir",
    "dialog": "dialog",
    "address": "address",
    "noscript": "noscript",
    "div": "div",
}
"""Elements whose distance above a block is a feature."""
FAR = 20
"""Distances are cut here; FAR also means that there is no such ancestor."""
LEVELS = 5
OFFSETS = np.array([-3, -2, -1, 1, 2, 3])
HINTS = [
    "og_article",
    "og_product",
    "og_website",
    "og_other",
    "ld_product",
    "ld_article",
    "ld_forum",
    "ld_list",
    "ld_faq",
    "ld_business",
    "ld_breadcrumb",
    "ld_recipe",
    "wordpress",
    "discourse",
    "forum_software",
    "mediawiki",
    "docs_software",
    "shop_software",
    "site_builder",
]
"""Page-level flags that the caller reads from the head."""

_OWN = [
    "log_characters",
    "words",
    "word_length",
    "digits",
    "capitals",
    "commas",
    "stops",
    "link_density",
    "links",
    "bold",
    "breaks",
    "title",
    "code",
    "bullets",
    "images_before",
    "cjk",
    "ends_sentence",
    "starts_upper",
    "inputs_before",
    "hidden",
    "button",
    "heading_level",
    "tag",
]
_PLACE = [
    "index",
    "index_fraction",
    "from_end",
    "characters_fraction",
    "byte_fraction",
    "depth",
    "since_h1",
    "h1_seen",
    "since_heading",
    "last_heading_level",
    "characters_since_heading",
    "until_heading",
]
_LEVEL = ["characters", "blocks", "link_density", "stops", "place"]
_BEST = ["in_best", "below_best", "after_best", "best_share"]
_GROUP = [
    "siblings",
    "siblings_2",
    "siblings_3",
    "path_blocks",
    "path_share",
    "path_link_density",
    "path_length",
    "repeats",
]
_NEIGHBOUR = ["characters", "link_density", "stops", "heading", "same_parent", "same_path"]
_WINDOW = ["characters", "link_density"]
_PAGE = [
    "characters",
    "blocks",
    "link_density",
    "stops",
    "p_share",
    "li_share",
    "cell_share",
    "article_share",
    "main_share",
    "heading_share",
    "articles",
    "code_share",
    "forum_nodes",
    "product_nodes",
    "comment_nodes",
    "card_nodes",
    "largest_path",
    "cjk_share",
]

FEATURES: list[str] = [
    *_OWN,
    *(f"above_{name}" for name in GROUPS),
    *(f"class_{name}" for name in markup.CLASS_NAMES),
    *(f"text_{name}" for name in markup.TEXT_NAMES),
    *_PLACE,
    *(f"level{level}_{name}" for level in range(LEVELS) for name in _LEVEL),
    *_BEST,
    *_GROUP,
    *(f"at{offset:+d}_{name}" for offset in OFFSETS for name in _NEIGHBOUR),
    *(f"window{width}_{name}" for width in (5, 12) for name in _WINDOW),
    *(f"page_{name}" for name in _PAGE),
    *(f"hint_{name}" for name in HINTS),
]
N_FEATURES = len(FEATURES)
N_GROUPS, N_CLASSES, N_TEXTS, N_PAGE = len(GROUPS), len(markup.CLASS_NAMES), len(markup.TEXT_NAMES), len(_PAGE)
GROUP_OF = np.full(len(markup.NAMES), -1, np.int8)
for _index, _names in enumerate(GROUPS.values()):
    for _name in _names.split():
        GROUP_OF[markup.CODE[_name]] = _index
