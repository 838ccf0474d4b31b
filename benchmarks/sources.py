"""Reading a crawl: this project's reader beside FastWARC, warcio and datatrove's reader, one process each, on the same
files; and how often the encoding is right. Prints tables and writes JSON.

    python -m benchmarks.sources --warc '../shared/data/crawl/*.warc.gz' [--labels labels.jsonl.gz]
        [--undeclared FOLDER_OF_ENCODINGS] [--json FILE] [--rounds 3]
"""

from __future__ import annotations

import argparse
import glob
import gzip
import importlib.metadata
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from curate.documents import document_id
from curate.sources import Documents, plan, read
from curate.sources.charset import decode, decode_as, detect, encoding_name
from curate.sources.pages import as_utf8

_LANGUAGE = re.compile(
    r"-(?:bulgarian|croatian|czech|hungarian|polish|romanian|russian|slovak|slovene|greek|turkish|hebrew|arabic)$"
)


def by_curate(paths: list[str]) -> int:
    """Pages: HTML with status 200, bodies decoded, text in Arrow."""
    events = (event for shard in plan({"warc": paths}) for event in read(shard))
    return sum(event.batch.num_rows for event in events if isinstance(event, Documents))


def by_fastwarc(paths: list[str]) -> int:
    """Responses with HTTP parsed and the body's bytes read; nothing decoded to text."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    pages = 0
    for path in paths:
        with Path(path).open("rb") as stream:
            for record in ArchiveIterator(stream, record_types=WarcRecordType.response, parse_http=True):
                record.reader.read()
                pages += 1
    return pages


def by_warcio(paths: list[str]) -> int:
    """Responses with the body's bytes read, chunks and compression undone; nothing decoded to text."""
    from warcio.archiveiterator import ArchiveIterator

    pages = 0
    for path in paths:
        with Path(path).open("rb") as stream:
            for record in ArchiveIterator(stream):
                if record.rec_type == "response":
                    record.content_stream().read()
                    pages += 1
    return pages


def by_datatrove(paths: list[str]) -> int:
    """datatrove's WARC reader as its FineWeb example uses it: pages as text."""
    from datatrove.pipeline.readers import WarcReader

    folder = Path(paths[0]).parent
    reader = WarcReader(str(folder), glob_pattern="*.warc.gz", default_metadata={})
    return sum(1 for _ in reader.run())


def measure(function: Callable[[list[str]], int], paths: list[str], rounds: int) -> tuple[int, float]:
    """(pages, best CPU seconds of the rounds)."""
    seconds, pages = [], 0
    for _ in range(rounds):
        start = time.process_time()
        pages = function(paths)
        seconds.append(time.process_time() - start)
    return pages, min(seconds)


def speed(paths: list[str], rounds: int) -> list[dict[str, Any]]:
    """A row a reader. Rounds are interleaved by reader only within one process, so quote ratios."""
    rows = []
    for name, package, function in (
        ("curate", "", by_curate),
        ("FastWARC, bytes only", "fastwarc", by_fastwarc),
        ("warcio, bytes only", "warcio", by_warcio),
        ("datatrove WarcReader", "datatrove", by_datatrove),
    ):
        try:
            pages, seconds = measure(function, paths, rounds)
        except ImportError as error:
            print(f"{name}: not measured, {error}", file=sys.stderr)
            continue
        version = importlib.metadata.version(package) if package else "this"
        rows.append({"reader": name, "version": version, "pages": pages, "ms_per_page": 1000 * seconds / pages})
    return rows


def declared_accuracy(paths: list[str], labels_path: str) -> dict[str, int]:
    """How many pages were read in the encoding that the labels have verified against the bytes."""
    with gzip.open(labels_path, "rt") as lines:
        labels = {document_id(label["record_id"]): label["charset"] for label in map(json.loads, lines)}
    right = total = 0
    for shard in plan({"warc": paths}):
        for event in read(shard):
            if isinstance(event, Documents):
                for row in event.batch.select(["id", "charset"]).to_pylist():
                    verified = labels.get(row["id"])
                    if verified:
                        total += 1
                        right += encoding_name(verified) == row["charset"]
    return {"right": right, "pages": total}


def undeclared_accuracy(folder: Path) -> dict[str, dict[str, float]]:
    """Files in folders named by their encoding (chardet's test set): how many each detector reads as the same text,
    with what the files declare inside them hidden from none."""
    from charset_normalizer import from_bytes
    from resiliparse.parse.encoding import detect_encoding

    detectors: dict[str, Callable[[bytes], str | None]] = {
        "curate, declarations ignored": detect,
        "curate": lambda data: decode(data, None).charset,
        "resiliparse": lambda data: encoding_name(detect_encoding(data)),
        "charset-normalizer": lambda data: encoding_name(best.encoding) if (best := from_bytes(data).best()) else None,
    }
    files = [(path, path.parent.name.lower()) for path in sorted(folder.glob("*/*")) if path.is_file()]
    table: dict[str, dict[str, float]] = {}
    for name, detector in detectors.items():
        right = 0
        start = time.process_time()
        guesses = [detector(path.read_bytes()) for path, _ in files]
        seconds = time.process_time() - start
        for (path, label), guess in zip(files, guesses, strict=True):
            expected = encoding_name(_LANGUAGE.sub("", label))
            right += guess == expected or (guess is not None and _same_text(path.read_bytes(), guess, expected))
        table[name] = {"right": right, "files": len(files), "ms_per_file": 1000 * seconds / len(files)}
    return table


def _same_text(data: bytes, guess: str, expected: str | None) -> bool:
    """Two encodings may read a file alike (ASCII, or a mark that says which)."""
    if expected is None:
        return False
    if data.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\0\0\xfe\xff")):
        return guess[:6] == expected[:6]
    return as_utf8(decode_as(data, guess).text) == as_utf8(decode_as(data, expected).text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warc", required=True)
    parser.add_argument("--labels")
    parser.add_argument("--undeclared", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    paths = sorted(glob.glob(arguments.warc))  # noqa: PTH207 — paths as given
    if not paths:
        print(f"{arguments.warc!r} matches no file", file=sys.stderr)
        return 2
    result: dict[str, Any] = {"speed": speed(paths, arguments.rounds)}
    ours = result["speed"][0]["ms_per_page"]
    print("| reader | version | pages | CPU ms a page | times ours |\n|---|---|---|---|---|")
    for row in result["speed"]:
        print(
            f"| {row['reader']} | {row['version']} | {row['pages']} | {row['ms_per_page']:.3f} "
            f"| {row['ms_per_page'] / ours:.2f} |"
        )
    if arguments.labels:
        result["declared"] = declared_accuracy(paths, arguments.labels)
        print("\nencoding as verified: {right} of {pages} pages".format(**result["declared"]))
    if arguments.undeclared:
        result["undeclared"] = undeclared_accuracy(arguments.undeclared)
        print("\n| detector | right | files | CPU ms a file |\n|---|---|---|---|")
        for name, row in result["undeclared"].items():
            print(f"| {name} | {row['right']} | {row['files']} | {row['ms_per_file']:.2f} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
