"""What a page's head hints about its type, as flags for the block model.

In goes the head of a page, out comes a float32 vector in the order of
`curate.kernels.block_feature_names.HINTS`. Hints are read with one pass over `"@type"` values and the generator meta.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from curate.kernels.block_feature_names import HINTS
from curate.stages.extract.metadata import Head

_TYPE = re.compile(r'"@type"\s{0,9}:\s{0,9}\[?\s{0,9}"(?:https?://schema\.org/)?(\w{1,40})"')
_GENERATOR = re.compile(
    r"(wordpress)|(discourse)|(vbulletin|phpbb|xenforo|mybb|simplemachines|invision|vanilla|flarum)|(mediawiki)|"
    r"(sphinx|docusaurus|mkdocs|hugo|jekyll|gitbook|vuepress|antora|doxygen|javadoc)|"
    r"(shopify|woocommerce|magento|prestashop|bigcommerce)|(wix|squarespace|webflow|weebly|duda)"
)
_LD = {
    "ld_product": {"Product", "ProductGroup", "Offer"},
    "ld_article": {"Article", "NewsArticle", "BlogPosting", "TechArticle", "Report"},
    "ld_forum": {"DiscussionForumPosting", "QAPage", "Question", "Comment"},
    "ld_list": {"ItemList", "CollectionPage", "OfferCatalog", "SearchResultsPage"},
    "ld_faq": {"FAQPage"},
    "ld_business": {"Service", "LocalBusiness", "ProfessionalService", "SoftwareApplication"},
    "ld_breadcrumb": {"BreadcrumbList"},
    "ld_recipe": {"Recipe", "HowTo"},
}
_FIRST_SOFTWARE = HINTS.index("wordpress")


def read_hints(head: Head) -> npt.NDArray[np.float32]:
    """The page's HINTS, 0 or 1 each."""
    found = np.zeros(len(HINTS), np.float32)
    declared = head.metas.get("og:type", "").lower()
    if declared:
        kind = next((kind for kind in ("article", "product", "website") if kind in declared), "other")
        found[HINTS.index(f"og_{kind}")] = 1
    types = {kind for text in head.json_ld for kind in _TYPE.findall(text)}
    if types:
        for name, values in _LD.items():
            found[HINTS.index(name)] = bool(types & values)
    generator = head.metas.get("generator", "").lower()
    if match := _GENERATOR.search(generator):
        found[_FIRST_SOFTWARE + (match.lastindex or 1) - 1] = 1
    return found
