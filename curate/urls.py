"""Canonical URLs: what two addresses of one page have in common.

A URL goes in, and a normal form comes out that is equal for addresses which differ only in ways that do not
change the page (scheme, `www`, tracking parameters, session ids, percent-encoding and so on). Each rule is a
pure function with a name, so that it can be read, tested and switched off by itself. The normal form is a key
for comparison: it need not be an address that a server answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

import idna


class UrlParts(NamedTuple):
    """A URL taken apart, without its user name and password."""

    scheme: str
    host: str
    port: str
    path: str
    query: tuple[str, ...]
    """The `name=value` pieces, in order."""
    fragment: str


_URL = re.compile(r"^(?:([A-Za-z][A-Za-z0-9+.\-]*):)?(?://([^/?#\\]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def split_url(url: str) -> UrlParts:
    """Takes a URL apart. Control characters and outer blanks go first, as browsers do (WHATWG URL, 4.4).

    Never raises: whatever does not look like a URL ends up in `path`.
    """
    url = _CONTROL.sub("", url.strip())
    found = _URL.match(url)
    if found is None or (found[1] is None and found[2] is None):
        return UrlParts("", "", "", url, (), "")
    authority = (found[2] or "").rpartition("@")[2]
    host, colon, port = authority.rpartition(":")
    if not colon or "]" in port:
        host, port = authority, ""
    query = tuple(piece for piece in re.split(r"[&;]", found[4] or "") if piece)
    return UrlParts(found[1] or "", host, port, found[3], query, found[5] or "")


def join_url(parts: UrlParts) -> str:
    """The URL of its parts."""
    if not parts.scheme and not parts.host:
        return parts.path
    authority = f"//{parts.host}" if parts.host else ""
    port = f":{parts.port}" if parts.port else ""
    query = "?" + "&".join(parts.query) if parts.query else ""
    fragment = "#" + parts.fragment if parts.fragment else ""
    return f"{parts.scheme}:{authority}{port}{parts.path}{query}{fragment}"


# ---------------------------------------------------------------------------------------- rules

DEFAULT_PORTS = {"http": ("80", "443"), "https": ("80", "443"), "ftp": ("21",)}
"""The web's two ports stand for each other, as its two schemes do."""


def default_port(parts: UrlParts) -> UrlParts:
    """`http://a:80/` is `http://a/`: the scheme's own port says nothing."""
    port = parts.port.lstrip("0")
    return parts._replace(port="" if port in DEFAULT_PORTS.get(parts.scheme.lower(), ()) else port)


def scheme(parts: UrlParts) -> UrlParts:
    """Lower case; `https` is `http`: sites serve one page under both."""
    name = parts.scheme.lower() or "http"
    return parts._replace(scheme="http" if name == "https" else name)


def host_case(parts: UrlParts) -> UrlParts:
    """Host names know no case, and their last dot is silent (RFC 3986, 6.2.2.1)."""
    return parts._replace(host=parts.host.lower().rstrip("."))


def international_host(parts: UrlParts) -> UrlParts:
    """`bücher.example` and `b%C3%BCcher.example` are `xn--bcher-kva.example` (UTS 46); what IDNA refuses stays."""
    host = parts.host
    if "%" in host:
        host = _decode(host, errors="replace")
    return parts if host.isascii() and host == parts.host else parts._replace(host=_ascii_host(host))


@lru_cache(maxsize=65536)
def _ascii_host(host: str) -> str:
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        return host.lower()


def www(parts: UrlParts) -> UrlParts:
    """`www.a.example` is `a.example`, but `www.com` stays: what is left must still have a dot."""
    short = parts.host.removeprefix("www.")
    return parts._replace(host=short) if "." in short else parts


def percent_encoding(parts: UrlParts) -> UrlParts:
    """One spelling a character: unreserved ones plain, all others as upper-case UTF-8 escapes, `+` a space."""
    query = tuple(_respell(piece.replace("+", "%20"), "query") for piece in parts.query)
    return parts._replace(path=_respell(parts.path, "path"), query=query)


def dot_segments(parts: UrlParts) -> UrlParts:
    """`/a/./b/../c` is `/a/c` (RFC 3986, 5.2.4), a backslash is a slash, and `//` within a path is `/`."""
    path = parts.path.replace("\\", "/")
    if "/." not in path and "//" not in path:
        return parts._replace(path=path)
    done: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            done = done[:-1]
        elif segment not in ("", "."):
            done.append(segment)
    tail = "/" if done and segments[-1] in ("", ".", "..") else ""
    return parts._replace(path="/" + "/".join(done) + tail)


_SESSION = """
    jsessionid phpsessid aspsessionid asp.net_sessionid cfid cftoken sessionid session_id sessid oscsid zenid
    xtc_sid osclid s_id
"""
SESSION_PARAMETERS = frozenset(_SESSION.split())
"""Query parameters and path parameters (`;jsessionid=…`) by which old servers carried a session. `s` and `sid`
are often something else, so those count only with a value that looks like a token."""
_TOKEN = re.compile(r"^[0-9a-zA-Z,\-]{16,}$")
_PATH_SESSION = re.compile(r";(?:jsessionid|phpsessid|sid|sessionid)=[^/;?]*", re.IGNORECASE)
_ASP_COOKIELESS = re.compile(r"/\((?:[SAFX]\([0-9A-Za-z_\-]{16,}\))+\)", re.IGNORECASE)


def session_ids(parts: UrlParts) -> UrlParts:
    """Drops ids of a visitor's session: in the query, `;jsessionid=…`, and ASP.NET's `/(S(…))`."""
    path = _ASP_COOKIELESS.sub("", _PATH_SESSION.sub("", parts.path))
    query = tuple(piece for piece in parts.query if not _is_session(piece))
    return parts._replace(path=path, query=query)


def _is_session(piece: str) -> bool:
    name, _, value = piece.partition("=")
    name = name.lower()
    if name in ("sid", "s"):
        return _TOKEN.match(value) is not None and any(character.isdigit() for character in value)
    return name in SESSION_PARAMETERS or name.startswith("aspsessionid")


# click identifiers of advertising networks and mail services, then web analytics
_TRACKING = """
    gclid gclsrc dclid gbraid wbraid fbclid msclkid yclid ysclid twclid ttclid igshid igsh li_fat_id epik
    mc_cid mc_eid _hsenc _hsmi __hssc __hstc __hsfp hsctatracking mkt_tok vero_id vero_conv oly_anon_id
    oly_enc_id rb_clickid s_cid s_kwcid ef_id wickedid trk trkcampaign sc_campaign sc_channel sc_content
    sc_medium sc_outcome sc_geo sc_country irclickid irgwc cjevent srsltid zanpid awc
    _ga _gl _gac _ke _openstat cmpid icid ncid ns_campaign ns_mchannel ns_source ns_linkname ns_fee
    at_medium at_campaign at_custom1 at_custom2 at_custom3 at_custom4 xtor guccounter guce_referrer
    guce_referrer_sig ref_src ref_url spm scm fb_action_ids fb_action_types fb_source fb_ref
    action_object_map action_type_map action_ref_map
"""
TRACKING_PARAMETERS = frozenset(_TRACKING.split())
TRACKING_PREFIXES = ("utm_", "pk_", "mtm_", "matomo_", "piwik_", "hsa_", "stm_", "itm_", "wt.mc_")
"""Google Analytics (also `utm-`), Matomo, HubSpot ads, Simple/internal tagging, Webtrends."""


def tracking(parts: UrlParts) -> UrlParts:
    """Drops parameters that say where a visitor came from and never what is shown."""
    return parts._replace(query=tuple(piece for piece in parts.query if not _is_tracking(piece)))


def _is_tracking(piece: str) -> bool:
    name = piece.partition("=")[0].lower()
    return name in TRACKING_PARAMETERS or name.startswith(TRACKING_PREFIXES) or name.startswith("utm-")


def fragment(parts: UrlParts) -> UrlParts:
    """Drops the place within the page, `#!…` too: a server never sees it, so what was fetched is the same."""
    return parts._replace(fragment="")


_INDEX = re.compile(r"/(?:index\.(?:html?|php|aspx?|jsp|shtml|cgi)|default\.aspx?)$", re.IGNORECASE)


def index_document(parts: UrlParts) -> UrlParts:
    """`/a/index.html` is `/a/`; with a query it stays, for there it is a program."""
    return parts if parts.query else parts._replace(path=_INDEX.sub("/", parts.path))


def trailing_slash(parts: UrlParts) -> UrlParts:
    """`/a/` is `/a`, and the empty path is `/`."""
    return parts._replace(path=parts.path.rstrip("/") or "/")


def query_order(parts: UrlParts) -> UrlParts:
    """Sorts the parameters and drops exact repeats."""
    return parts._replace(query=tuple(sorted(set(parts.query))))


CANONICAL_RULES: dict[str, Callable[[UrlParts], UrlParts]] = {
    rule.__name__: rule
    for rule in (
        default_port,
        scheme,
        host_case,
        international_host,
        www,
        session_ids,
        percent_encoding,
        dot_segments,
        tracking,
        fragment,
        index_document,
        trailing_slash,
        query_order,
    )
}
"""Every rule by name, in the order in which they are applied."""


def canonical_url(url: str, without: Collection[str] = ()) -> str:
    """The normal form of a URL under CANONICAL_RULES, less those named in `without`.

    What is no http(s) or ftp URL (`mailto:`, `data:`, a bare word) comes back stripped and otherwise unchanged.
    Applying it twice changes nothing.
    """
    parts = split_url(url)
    if not parts.host or parts.scheme.lower() not in ("", "http", "https", "ftp"):
        return url.strip()
    for name, rule in CANONICAL_RULES.items():
        if name not in without:
            parts = rule(parts)
    return join_url(parts)


def url_host(url: str | None) -> str:
    """The host as `canonical_url` writes it, `www.` dropped; empty where there is none."""
    return www(international_host(host_case(split_url(url)))).host if url else ""


# ---------------------------------------------------------------------------------------- percent-encoding

_ESCAPE = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
# Characters that may stand plain (RFC 3986, 3.3 and 3.4); those with a meaning of their own are told apart from
# their escapes: a path's %2F is no separator, a query's %26 does not begin a parameter.
_PLAIN = {"path": "/;=,:@!$'()*&+~%", "query": "/?:@!$'()*,=~%"}
_MEANINGFUL = {"path": "/;%?#+&=", "query": "&;=+%#"}


def _decode(text: str, errors: str = "strict") -> str:
    def octets(found: re.Match[str]) -> str:
        data = bytes.fromhex(found[0].replace("%", ""))
        try:
            return data.decode("utf-8", errors)
        except UnicodeDecodeError:
            return found[0].upper()

    return _ESCAPE.sub(octets, text)


def _respell(text: str, place: str) -> str:
    if "%" not in text:
        return text if text.isascii() and " " not in text else quote(text, safe=_PLAIN[place], errors="replace")
    meaningful = _MEANINGFUL[place]

    def octets(found: re.Match[str]) -> str:
        data = bytes.fromhex(found[0].replace("%", ""))
        try:
            decoded = data.decode("utf-8")
        except UnicodeDecodeError:
            return found[0].upper()
        return "".join(quote(c, safe="") if c in meaningful else c for c in decoded)

    # A stray % (not an escape) is escaped first, so that the answer is spelt the same the second time.
    text = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text)
    return quote(_ESCAPE.sub(octets, text), safe=_PLAIN[place], errors="replace")
