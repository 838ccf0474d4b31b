"""`python -m curate extract FILE|URL`: one page's text on standard output, by any engine.

The page is read from a file, from standard input (`-`) or, where a URL is given, from the network with one
request; its encoding is detected from the HTTP header, its own declaration and its bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from curate.stages.extract.engines import ENGINES, Options
from curate.stages.extract.stage import ExtractParameters

NO_PAGES = {
    b"\x1f\x8b": "gzip", b"WARC/": "a WARC", b"filedesc://": "an ARC", b"%PDF-": "PDF", b"PK\x03\x04": "a ZIP archive",
    b"\x28\xb5\x2f\xfd": "zstd", b"PAR1": "Parquet",
}  # fmt: skip
"""How files begin that are given by mistake."""
MAX_BYTES = 64 << 20
"""A page larger than this is refused."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    fields = ExtractParameters.model_fields
    parser.add_argument("page", metavar="FILE|URL", help="an HTML file, - for standard input, or an http(s) URL")
    parser.add_argument("--engine", choices=sorted(ENGINES), default=fields["engine"].default)
    parser.add_argument("--format", choices=get_args(fields["format"].annotation), default="text")
    parser.add_argument("--favor", choices=get_args(fields["favor"].annotation), default="balanced")
    parser.add_argument("--json", action="store_true", help="text and metadata as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Extracts the page; 2 if there is no such page, 1 if it cannot be read."""
    try:
        payload, charset = _read(args.page)
    except OSError as error:
        print(f"error: {args.page}: cannot be read: {error.strerror or error}", file=sys.stderr)
        return 2 if isinstance(error, FileNotFoundError | IsADirectoryError) else 1
    kind = next((name for start, name in NO_PAGES.items() if payload.startswith(start)), None)
    if kind is not None:
        print(
            f"error: {args.page} is {kind}, no HTML page; give one page, or a recipe with `input: {{warc: FILE}}` to "
            "`python -m curate run` for an archive",
            file=sys.stderr,
        )
        return 2
    url = args.page if "://" in args.page else None
    found = ENGINES[args.engine](_decode(payload, charset), url, Options(args.format, args.favor))
    if args.json:
        print(json.dumps({"text": found.text, "blocks": found.blocks, **asdict(found.metadata)}, ensure_ascii=False))
    else:
        print(found.text)
    return 0


def _read(page: str) -> tuple[bytes, str | None]:
    """The bytes, and the encoding that the HTTP header states. Raises OSError."""
    if page == "-":
        return sys.stdin.buffer.read(MAX_BYTES), None
    if not page.startswith(("http://", "https://")):
        return Path(page).read_bytes(), None
    import httpx

    try:
        with httpx.stream("GET", page, follow_redirects=True, timeout=30) as answer:
            answer.raise_for_status()
            payload = b""
            for chunk in answer.iter_bytes():
                payload += chunk
                if len(payload) > MAX_BYTES:
                    raise OSError(f"the page is larger than {MAX_BYTES} bytes")
            return payload, answer.charset_encoding
    except httpx.HTTPError as error:
        raise OSError(str(error)) from error


def _decode(payload: bytes, charset: str | None) -> str:
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    return str(bytes_to_str(payload, charset or detect_encoding(payload, html5_compatible=True) or "utf-8"))
