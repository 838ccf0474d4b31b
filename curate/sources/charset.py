"""Which encoding a page is in, and the page as text.

The order is the HTML standard's: byte order mark, HTTP header, what the page declares (`<meta>`, else the XML
declaration), detection. Labels mean what the Encoding standard says they mean (`iso-8859-1` is windows-1252). One
departure: a declaration that the bytes refute does not win, since crawled pages are read once and by no one who
could choose another encoding from a menu.
"""

from __future__ import annotations

import codecs
import re
import struct
from functools import cache
from typing import NamedTuple

import pyarrow as pa
from resiliparse.parse.encoding import detect_encoding

_BOMS = (
    # UTF-32 is no encoding of the web; its mark would else be read as UTF-16 and a page of NULs.
    (b"\xff\xfe\x00\x00", "utf-32le"),
    (b"\x00\x00\xfe\xff", "utf-32be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16le"),
    (b"\xfe\xff", "utf-16be"),
)
_NAMES = {
    # Python's codec → the Encoding standard's name. https://encoding.spec.whatwg.org/#names-and-labels
    "utf-8": "utf-8", "utf-8-sig": "utf-8", "ascii": "windows-1252", "iso8859-1": "windows-1252",
    "cp1252": "windows-1252", "iso8859-2": "iso-8859-2", "iso8859-3": "iso-8859-3", "iso8859-4": "iso-8859-4",
    "iso8859-5": "iso-8859-5", "iso8859-6": "iso-8859-6", "iso8859-7": "iso-8859-7", "iso8859-8": "iso-8859-8",
    "iso8859-9": "windows-1254", "iso8859-10": "iso-8859-10", "iso8859-11": "windows-874",
    "iso8859-13": "iso-8859-13", "iso8859-14": "iso-8859-14", "iso8859-15": "iso-8859-15",
    "iso8859-16": "iso-8859-16", "koi8-r": "koi8-r", "koi8-u": "koi8-u", "cp866": "ibm866", "cp874": "windows-874",
    "tis-620": "windows-874", "mac-roman": "macintosh", "mac-cyrillic": "x-mac-cyrillic",
    "cp855": "ibm855", "cp852": "ibm852", "cp1250": "windows-1250",
    "cp1251": "windows-1251", "cp1253": "windows-1253", "cp1254": "windows-1254", "cp1255": "windows-1255",
    "cp1256": "windows-1256", "cp1257": "windows-1257", "cp1258": "windows-1258", "gb2312": "gbk", "gbk": "gbk",
    "gb18030": "gb18030", "big5": "big5", "big5hkscs": "big5", "cp950": "big5", "euc_jp": "euc-jp",
    "shift_jis": "shift_jis", "cp932": "shift_jis", "iso2022_jp": "iso-2022-jp", "euc_kr": "euc-kr",
    "cp949": "euc-kr", "johab": "johab", "utf-16": "utf-16le", "utf-16-le": "utf-16le", "utf-16-be": "utf-16be",
    "hz": "hz-gb-2312", "iso2022_kr": "iso-2022-kr", "utf-32": "utf-32le", "utf-32-le": "utf-32le",
    "utf-32-be": "utf-32be",
}  # fmt: skip
_LABELS = {
    # Labels that Python does not know.
    "unicode-1-1-utf-8": "utf-8", "unicode11utf8": "utf-8", "unicode20utf8": "utf-8", "x-unicode20utf8": "utf-8",
    "x-sjis": "shift_jis", "windows-31j": "shift_jis", "x-gbk": "gbk", "x-euc-jp": "euc-jp",
    "windows-949": "euc-kr", "uhc": "euc-kr", "ks_c_5601-1987": "euc-kr", "ksc_5601": "euc-kr", "korean": "euc-kr",
    "ks_c_5601-1989": "euc-kr", "x-cp1250": "windows-1250", "x-cp1251": "windows-1251", "x-cp1252": "windows-1252",
    "x-x-big5": "big5", "cn-big5": "big5", "cn-gb": "gbk", "dos-874": "windows-874", "logical": "iso-8859-8",
    "iso-8859-8-i": "iso-8859-8", "iso-8859-8-e": "iso-8859-8", "csiso88598i": "iso-8859-8", "visual": "iso-8859-8",
    "x-mac-roman": "macintosh", "mac": "macintosh", "x-mac-ukrainian": "x-mac-cyrillic", "koi": "koi8-r",
    "x-mac-cyrillic": "x-mac-cyrillic", "koi8": "koi8-r", "koi8-ru": "koi8-u", "sun_eu_greek": "iso-8859-7",
    "unicode": "utf-16le", "ucs-2": "utf-16le",
    "unicodefeff": "utf-16le", "unicodefffe": "utf-16be", "x-user-defined": "windows-1252",
    "cp936": "gbk", "ms936": "gbk", "windows-936": "gbk",
}  # fmt: skip
_CODECS: dict[str, tuple[str, ...]] = {
    # The standard's decoders are supersets of Python's; the second is asked where the first meets an error.
    "gbk": ("gb18030",), "gb18030": ("gb18030",), "big5": ("big5hkscs", "cp950"), "euc-kr": ("cp949",),
    "shift_jis": ("cp932", "shift_jis_2004"), "euc-jp": ("euc_jp", "euc_jis_2004"), "johab": ("johab",),
    "iso-2022-jp": ("iso2022_jp", "iso2022_jp_ext"), "hz-gb-2312": ("hz",), "iso-2022-kr": ("iso2022_kr",),
    "utf-8": ("utf-8",), "utf-16le": ("utf-16-le",), "utf-16be": ("utf-16-be",), "utf-32le": ("utf-32-le",),
    "utf-32be": ("utf-32-be",),
}  # fmt: skip
_ESCAPED = ("iso-2022-jp", "hz-gb-2312", "iso-2022-kr")
"""Encodings whose bytes are all ASCII."""
_WIDE = ("utf-16le", "utf-16be", "utf-32le", "utf-32be")

_PRESCAN = 1024
"""Bytes in which the standard looks for a declaration before it parses."""
_HEAD = 64 * 1024
"""Bytes in which a parser may still meet one and start again ("change the encoding")."""
_TAG = re.compile(
    # What is left open goes to the end, which also keeps the search linear.
    rb"<!--(?:>|->|.*?-->|.*)|<meta[\s/](?P<meta>(?:[^>\"']|\"[^\"]*(?:\"|\Z)|'[^']*(?:'|\Z))*)"
    rb"|<(?:script|style|title|textarea|xmp|noframes)(?=[\s/>])[^>]*>(?:.*?</|.*)|(?P<end><body[\s/>])",
    re.DOTALL | re.IGNORECASE,
)
_PLAIN_META = re.compile(
    rb"<meta\s+(?:charset\s*=\s*[\"']?|http-equiv\s*=\s*[\"']?content-type[\"']?\s+content\s*=\s*[\"']text/html;\s*charset=)"
    rb"([\w.:+-]+)[\"'\s/>]",
    re.IGNORECASE,
)
"""The declaration as nearly all pages write it."""
_HIDES = re.compile(rb"<(?:script|style|title|textarea|xmp|noframes)[\s/>]", re.IGNORECASE)
_ATTRIBUTE = re.compile(rb"([^\s=/>\"']+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+)))?")
_CHARSET = re.compile(rb"charset\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s;\"']+))", re.IGNORECASE)
_XML = re.compile(rb"<\?xml[^>]*?\bencoding\s*=\s*[\"']([^\"']{1,60})[\"']", re.IGNORECASE)
_LABEL = re.compile(r"[\w.:+-]+")

_SURE_UTF8 = 4
"""Well-formed multi-byte sequences (and no others) after which a declared single-byte encoding is not believed."""
_SURE_UTF8_EAST = 16
"""The same where an East Asian encoding is declared, whose pairs are well-formed UTF-8 more often."""
_TELLING_UTF8 = re.compile(rb"\xc3[\x80-\xbf].*\xc3[\x80-\xbf]|\xc2[\xa0-\xbf]|[\xe0-\xef][\x80-\xbf]{2}", re.DOTALL)
"""Sequences of which fewer are enough: in a single-byte encoding they would read "Ã©" twice, "Â©", or "â€™"."""
_ERRORS = 0.02
"""Share of non-ASCII bytes that a declared encoding may fail on (cut or mixed pages) and still be believed."""


class Decoded(NamedTuple):
    """A page as text: a `str`, or UTF-8 bytes that are known to be valid; and the encoding's standard name."""

    text: str | bytes
    charset: str


@cache
def encoding_name(label: str) -> str | None:
    """The Encoding standard's name, in lower case, for a label, or None if there is no such encoding."""
    match = _LABEL.search(label.strip().lower())
    if match is None:
        return None
    found = match.group().rstrip(".")
    if found in _LABELS:
        return _LABELS[found]
    try:
        return _NAMES.get(codecs.lookup(found).name)
    except (LookupError, ValueError):
        return None


def decode(body: bytes, header: str | None) -> Decoded:
    """A page's text and encoding. `header`: the charset parameter of its Content-Type, if there is one."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            return decode_as(body[len(mark) :], name)
    candidates = _candidates(body, header)
    first = candidates[0] if candidates else None
    nul = b"\0" in body
    if nul and (first is None or first == "utf-8") and (wide := _wide_by_nuls(body)):
        return decode_as(body, wide)
    if body.isascii() and not nul and first not in _ESCAPED:
        # Any encoding left (UTF-16 would have NULs) reads ASCII alike.
        if first is None and b"\x1b$" in body:
            return decode_as(body, detect(body))
        return Decoded(body, first if first and first not in _WIDE else "utf-8")
    if first in (None, "utf-8") and _is_utf8(body):
        return Decoded(body, "utf-8")
    if first is not None and first != "utf-8" and first not in _WIDE and _refuted_by_utf8(body, candidates):
        return Decoded(body, "utf-8")
    for name in candidates:
        believed = _try(body, name)
        if believed is not None:
            return believed
    guess = detect(body)
    if first is not None and _try(body, guess) is None:
        return decode_as(body, first)
    return decode_as(body, guess)


# ---------------------------------------------------------------------------------------- what is declared


def _candidates(body: bytes, header: str | None) -> list[str]:
    names: list[str] = []
    for label in (header, declared(body)):
        name = encoding_name(label) if label else None
        if name and name not in names:
            names.append(name)
    return names


def declared(body: bytes) -> str | None:
    """The label that the page itself declares, as the standard's prescan finds it, or None."""
    head = body[:_HEAD]
    if b"harset" in head or b"HARSET" in head:
        label = _meta(head)
        if label:
            return "utf-8" if encoding_name(label) in _WIDE else label
    if head.startswith((b"<\0?\0", b"\0<\0?")):
        return "utf-16le" if head[0] else "utf-16be"
    if head.lstrip()[:5].lower() == b"<?xml":
        match = _XML.match(head[:_PRESCAN].lstrip())
        if match:
            label = match[1].decode("latin-1")
            return "utf-8" if encoding_name(label) in _WIDE else label
    return None


def _meta(head: bytes) -> str | None:
    plain = _PLAIN_META.search(head)
    if plain and encoding_name(plain[1].decode()) and _in_the_open(head[: plain.start()]):
        return plain[1].decode()
    for tag in _TAG.finditer(head):
        if tag["end"] and tag.start() > _PRESCAN:
            return None
        if not tag["meta"]:
            continue
        attributes: dict[bytes, bytes] = {}
        for name, *values in _ATTRIBUTE.findall(tag["meta"]):
            attributes.setdefault(name.lower(), next(filter(None, values), b""))
        label = attributes.get(b"charset")
        if not label and b"content" in attributes and b"http-equiv" in attributes:
            match = _CHARSET.search(attributes[b"content"])
            label = next(filter(None, match.groups()), b"") if match else b""
        if label and encoding_name(label.decode("latin-1")):
            return label.decode("latin-1")
    return None


def _in_the_open(before: bytes) -> bool:
    """Whether what follows is surely markup, and the first declaration there is."""
    if b"charset" in before.lower() or before.rfind(b"<!--") > before.rfind(b"-->"):
        return False
    hiding = [match.end() for match in _HIDES.finditer(before)]
    return not hiding or b"</" in before[hiding[-1] :]


# ---------------------------------------------------------------------------------------- what the bytes say


def _is_utf8(body: bytes) -> bool:
    """Whether the bytes are valid UTF-8. Arrow's check makes no string: a tenth of the cost of decoding."""
    offsets = pa.py_buffer(struct.pack("=2i", 0, len(body)))
    try:
        pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(body)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _refuted_by_utf8(body: bytes, candidates: list[str]) -> bool:
    """Whether the bytes are UTF-8 although another encoding is declared first."""
    if not _is_utf8(body):
        return False
    if "utf-8" in candidates:
        return True
    wide = _leads(body)
    if candidates[0] in _CODECS:
        return wide >= _SURE_UTF8_EAST
    return wide >= _SURE_UTF8 or _TELLING_UTF8.search(body) is not None


def _try(body: bytes, name: str) -> Decoded | None:
    """The page in that encoding if the bytes bear it out."""
    if name in _WIDE and body[:2000].count(0) * 8 < min(len(body), 2000):
        return None
    decoded = decode_as(body, name)
    if isinstance(decoded.text, bytes):
        return decoded
    errors = decoded.text.count("�") - body.count(b"\xef\xbf\xbd")
    if errors <= 0:
        return decoded
    high = len(body) - len(body.translate(None, _HIGH))
    return decoded if errors <= max(1, _ERRORS * high) else None


_HIGH = bytes(range(128, 256))
_NO_LEADS = bytes(range(0xC0))


def _leads(body: bytes) -> int:
    """Bytes that begin a multi-byte sequence of UTF-8."""
    return len(body.translate(None, _NO_LEADS))


def decode_as(body: bytes, name: str) -> Decoded:
    """The page in that encoding, with U+FFFD for what it cannot read."""
    codecs_of = _CODECS.get(name)
    if codecs_of is None:
        return Decoded(codecs.charmap_decode(body, "strict", _table(name))[0], name)
    for codec in codecs_of:
        try:
            return Decoded(body.decode(codec), name)
        except UnicodeDecodeError:
            continue
    return Decoded(body.decode(codecs_of[0], "replace"), name)


@cache
def _table(name: str) -> str:
    """The 256 characters of a single-byte encoding; as in the standard, bytes without one are C1 controls in the
    windows and ISO families."""
    python = {"windows-874": "cp874", "macintosh": "mac_roman", "x-mac-cyrillic": "mac_cyrillic"}
    codec = python.get(name, name)
    table = []
    for byte in range(256):
        try:
            table.append(bytes([byte]).decode(codec))
        except UnicodeDecodeError:
            table.append(chr(byte) if byte < 0xA0 else "�")
    return "".join(table)


# ---------------------------------------------------------------------------------------- detection


def detect(body: bytes) -> str:
    """The encoding of a page that declares none, or none that fits."""
    wide = _wide_by_nuls(body)
    if wide:
        return wide
    if body.isascii():
        escaped = b"\x1b$" in body
        return "iso-2022-kr" if escaped and b"\x1b$)C" in body else "iso-2022-jp" if escaped else "utf-8"
    if body.decode("utf-8", "replace").count("\ufffd") * 20 <= _leads(body):
        return "utf-8"
    guess = encoding_name(detect_encoding(body, html5_compatible=False) or "")
    if guess is None or guess == "utf-8":
        return "windows-1252"
    if guess in _WESTERN and not _LETTERS.search(body):
        # Quotation marks and dashes alone say nothing of the language.
        return "windows-1252"
    return guess


_WESTERN = ("windows-1250", "windows-1253", "windows-1257", "windows-1258", "iso-8859-3", "iso-8859-4", "iso-8859-16")
_LETTERS = re.compile(rb"[\xc0-\xff]")


def _wide_by_nuls(body: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark, told by where the NULs of markup are."""
    sample = body[:4096]
    if len(sample) < 4 or sample.count(0) * 8 < len(sample):
        return None
    zeros = [sample[place::4].count(0) / len(sample[place::4]) for place in range(4)]
    if min(zeros[1:]) > 0.7 and zeros[0] < 0.1:
        return "utf-32le"
    if min(zeros[:3]) > 0.7 and zeros[3] < 0.1:
        return "utf-32be"
    if min(zeros[1], zeros[3]) > 0.25 and max(zeros[0], zeros[2]) < 0.1:
        return "utf-16le"
    if min(zeros[0], zeros[2]) > 0.25 and max(zeros[1], zeros[3]) < 0.1:
        return "utf-16be"
    return None
