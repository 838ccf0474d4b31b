"""Character references decoded as the standard library does it, each spelling only once in a process.

A page has hundreds of references and a dozen spellings of them, so what one stands for is looked up, not worked out.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache

_REFERENCE = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)")
"""What `html.unescape` takes for a reference."""
_decoded = lru_cache(maxsize=4096)(html.unescape)


def unescape(text: str) -> str:
    """The text with its references decoded: what `html.unescape` answers."""
    return _REFERENCE.sub(_found, text) if "&" in text else text


def _found(match: re.Match[str]) -> str:
    return _decoded(match[0])
