"""Decompressed bytes of an archive, a piece at a time: one gzip member, or the rest of a plain file; and the search
for the next place where a record truly begins. Nothing here raises for bad content: a stream ends and says why."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import cast

from isal import isal_zlib

from curate.sources.store import Window

GZIP = b"\x1f\x8b\x08"
INFLATE_ERRORS = (cast(type[Exception], isal_zlib.error), ValueError, EOFError)
_PIECE = 1 << 16
"""Compressed bytes handed to inflate at once; most members are smaller."""
_FIRST_FILL = 4 << 20
"""A member is inflated whole up to here; a larger one flows through."""

_ARC_LINE = rb":[^\n]{1,8000}? \S{1,60} \d{8,20}\S{0,20}(?: [^\n]{0,2000})? -?\w+\r?\n"
"""An ARC record's header line after its scheme: the rest of the URL (which may hold spaces), IP address, date, type, …,
length."""
RECORD_START = re.compile(rb"(?i:WARC/)\d|[A-Za-z][A-Za-z0-9+.-]{0,15}" + _ARC_LINE)
"""The first bytes of a WARC record, or the header line of an ARC record."""
_NEXT_RECORD = rb"(?=(?i:WARC)/[01]\.\d+\r*\n[A-Za-z-]+:|(?:https?|ftp|dns|whois|filedesc)" + _ARC_LINE + rb")"
LOST_RECORD = re.compile(rb"(?:\r?\n|\A)\r?\n" + _NEXT_RECORD)
"""Where another record begins inside what a wrong length claims."""
_PLAIN_START = re.compile(rb"\n" + _NEXT_RECORD)
_NEWLINES = b"\r\n"


class Stream:
    """Bytes of one gzip member, or of a plain file from some place on, with a read position.

    `data[position:]` is what is at hand; `need` and `fill` append more. `done`: nothing is left to append. `error`
    says why, where that was not the proper end; `corrupt` tells damaged bytes from a file that simply stops.
    """

    def __init__(self) -> None:
        self.data = b""
        self.position = 0
        self.dropped = 0
        """Bytes before `data` that have been read and let go."""
        self.done = False
        self.error: str | None = None
        self.corrupt = False

    def more(self) -> bytes:
        """The next bytes after those at hand; empty at the end."""
        raise NotImplementedError

    def place(self) -> int:
        """The read position, counted from where the stream began."""
        return self.dropped + self.position

    def need(self, n: int) -> int:
        """Tries to have `n` bytes at hand; answers how many of them there are."""
        have = len(self.data) - self.position
        if have < n and not self.done:
            pieces = [self.data[self.position :]]
            while have < n and (piece := self.more()):
                pieces.append(piece)
                have += len(piece)
            self._let_go(b"".join(pieces))
        return min(n, have)

    def fill(self) -> bool:
        """Appends some more; False if there is none."""
        have = len(self.data) - self.position
        return self.need(have + 1) > have

    def skip(self, n: int) -> int:
        """Moves on by `n` bytes without keeping them; answers how many were there."""
        left = n
        while True:
            here = min(left, len(self.data) - self.position)
            self.position += here
            left -= here
            if not left or self.done:
                return n - left
            self._let_go(self.more())

    def skip_newlines(self) -> bool:
        """Moves past CR and LF; False if the stream ends there."""
        while True:
            data, at = self.data, self.position
            while at < len(data) and data[at] in _NEWLINES:
                at += 1
            self.position = at
            if at < len(data):
                return True
            if not self.fill():
                return False

    def _let_go(self, data: bytes) -> None:
        """Goes on with `data`, which begins at the read position."""
        self.dropped += self.position
        self.data, self.position = data, 0


class Member(Stream):
    """One gzip member, inflated."""

    def __init__(self, window: Window, offset: int) -> None:
        super().__init__()
        self.window, self.offset = window, offset
        self.end = offset
        """One past its last compressed byte read; once `done` without error, its true end."""
        self._inflate = isal_zlib.decompressobj(31)
        self.data = self._inflated(_FIRST_FILL)

    def _inflated(self, limit: int) -> bytes:
        """About `limit` further bytes, fewer at the end of the member."""
        pieces, got = [], 0
        inflate, window = self._inflate, self.window
        while got < limit:
            piece = window.view(self.end, _PIECE)
            if not piece:
                self.done, self.error = True, "the file ends inside this gzip member"
                break
            try:
                out = inflate.decompress(piece)
            except INFLATE_ERRORS as error:
                self.done, self.corrupt, self.error = True, True, f"gzip: {error}"
                if self.end == self.offset:
                    pieces.append(_before_damage(piece))
                break
            self.end += len(piece)
            pieces.append(out)
            got += len(out)
            if inflate.eof:
                self.end -= len(inflate.unused_data)
                self.done = True
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def more(self) -> bytes:
        # A piece may hold only the trailer, or inflate to nothing yet.
        return b"" if self.done else self._inflated(1)


def _before_damage(piece: memoryview) -> bytes:
    """What inflates before the damage, so that a broken record can at least be named."""
    inflate = zlib.decompressobj(31)
    found = b""
    try:
        for at in range(0, len(piece), 64):
            found += inflate.decompress(piece[at : at + 64])
    except zlib.error:
        pass
    return found


class Plain(Stream):
    """A plain file from `offset` on."""

    def __init__(self, window: Window, offset: int) -> None:
        super().__init__()
        self.window, self.offset = window, offset

        self._end = offset

    def more(self) -> bytes:
        piece = bytes(self.window.view(self._end, self.window.file.chunk))
        self._end += len(piece)
        self.done = not piece
        return piece


def begins_record(window: Window, offset: int) -> bool:
    """Whether the bytes there are a gzip member whose content begins as a WARC or ARC record does."""
    head = window.view(offset, 4096)
    if len(head) < 18 or head[3] & 0xE0:
        return False
    try:
        text = isal_zlib.decompressobj(31).decompress(head, 9000)
    except INFLATE_ERRORS:
        return False
    return RECORD_START.match(text.lstrip(_NEWLINES)) is not None


def next_member(window: Window, start: int) -> int:
    """The first place at or after `start` where a gzip member begins a record; the size of the file if none."""
    return _search(window, start, lambda data, at: data.find(GZIP, at), begins_record, len(GZIP))


def next_plain(window: Window, start: int) -> int:
    """The first place at or after `start` where a plain WARC record begins, at the start of a line."""

    def find(data: bytes, at: int) -> int:
        match = _PLAIN_START.search(data, at)
        return match.start() if match else -1

    # The newline before the record may be the last byte before `start`.
    found = _search(window, max(0, start - 1), find, lambda _window, _offset: True, 80)
    return min(found + 1, window.size)


def _search(
    window: Window,
    start: int,
    find: Callable[[bytes, int], int],
    accept: Callable[[Window, int], bool],
    overlap: int,
) -> int:
    """The first place from `start` on that `find` finds and `accept` accepts. Pieces overlap by `overlap` bytes, so
    that nothing is missed at a seam."""
    base = start
    while base < window.size:
        data = bytes(window.view(base, window.file.chunk))
        at = find(data, 0)
        while at >= 0:
            if accept(window, base + at):
                return base + at
            at = find(data, at + 1)
        if base + len(data) >= window.size:
            break
        base += len(data) - overlap
    return window.size
