"""Tokens measured: the trained tokenizer beside the library's own, encoding beside peers, splits by exact Jaccard.

    python -m benchmarks.tokens encode --texts ../shared/data/text/webtext.jsonl.gz
    python -m benchmarks.tokens splits RUN

`encode` trains on four documents of five, as `tokenize` does and as the library does by itself, and measures bytes per
token on the fifth; then encodes the same texts with our Encoder, with it held to `tokenizers`, with that library's own
calls, with kitoken where it is installed, and with datatrove's tokenizer step, taking turns, one thread; whether the
ids are ours is said of each. `splits` compares every document of validation and test with every one of the other splits
by the Jaccard similarity of their word 5-grams, without any code of the deduplication.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

NEAR = 0.8
NGRAM = 5
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    encode = commands.add_parser("encode")
    encode.add_argument("--texts", required=True, help="JSON lines with `text`, gzipped")
    encode.add_argument("--vocabulary", type=int, default=8000)
    encode.add_argument("--megabytes", type=float, default=4.0, help="text to encode, at most")
    splits = commands.add_parser("splits")
    splits.add_argument("run", type=Path)
    for each in (encode, splits):
        each.add_argument("--json", type=Path)
    args = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    result = encoding(args.texts, args.vocabulary, args.megabytes) if args.command == "encode" else across(args.run)
    print(json.dumps(result, indent=1))
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def encoding(file: str, vocabulary: int, megabytes: float) -> dict[str, Any]:
    """Bytes per token beside the library's own training, and CPU seconds of encoding."""
    from curate.stages.tokens.tokenizers_bpe import Encoder, train

    with gzip.open(file, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    training, held_out = [t for i, t in enumerate(texts) if i % 5], texts[::5]
    ours = train(training, vocabulary, split_digits=False)
    theirs = _trained_directly(training, vocabulary)
    size = sum(len(t.encode()) for t in held_out)
    encoder = Encoder(ours)
    our_tokens = sum(len(ids) - 1 for ids in encoder.encode(held_out))
    their_tokens = sum(len(e.ids) for e in theirs.encode_batch(held_out))
    some, total = [], 0
    for text in texts:
        if total < megabytes * 1e6:
            some.append(text)
            total += len(text.encode())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        path.write_bytes(ours)
        contestants = _contestants(ours, str(path), some, folder)
        seconds = _in_turns(contestants)
        wanted = encoder.encode(some)
        same = {name: _alike(work(), wanted) for name, work in contestants.items() if name != "datatrove"}
    return {
        "bytes_per_token": {"ours": size / our_tokens, "library": size / their_tokens},
        "encoder": encoder.library,
        "megabytes_encoded": total / 1e6,
        "cpu_seconds": seconds,
        "times_as_fast_as": {name: round(value / seconds["ours"], 3) for name, value in seconds.items()},
        "same_ids": same,
    }


def _alike(found: Any, wanted: list[list[int]]) -> str:
    """Documents with our ids, whether or not their end is marked."""
    alike = sum(list(ids) in (ours, ours[:-1]) for ids, ours in zip(found, wanted, strict=True))
    return f"{alike} of {len(wanted)} documents"


def _trained_directly(texts: list[str], vocabulary: int) -> Any:
    from tokenizers import ByteLevelBPETokenizer

    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(texts, vocab_size=vocabulary, min_frequency=0, show_progress=False)
    return tokenizer


def _contestants(ours: bytes, path: str, texts: list[str], folder: str) -> dict[str, Callable[[], Any]]:
    from datatrove.data import Document
    from datatrove.pipeline.tokens import DocumentTokenizer
    from tokenizers import Tokenizer

    from curate.stages.tokens.tokenizers_bpe import Encoder

    encoder, held = Encoder(ours), Encoder(ours, "tokenizers")
    library = Tokenizer.from_file(path)
    library.no_truncation()
    documents = [Document(text=text, id=str(i)) for i, text in enumerate(texts)]

    def datatrove() -> None:
        step = DocumentTokenizer(
            f"{folder}/out", tokenizer_name_or_path=path, eos_token="<|endoftext|>", shuffle_documents=False,
            save_final_metadata=False,
        )  # fmt: skip
        step.run(iter(documents), 0, 1)

    contestants: dict[str, Callable[[], Any]] = {
        "ours": lambda: encoder.encode(texts),
        "ours, held to tokenizers": lambda: held.encode(texts),
        "tokenizers": lambda: [each.ids for each in library.encode_batch(texts)],
        "datatrove": datatrove,
    }
    if importlib.util.find_spec("kitoken"):
        import kitoken

        other = kitoken.Kitoken.from_tokenizers_file(path)
        contestants["kitoken"] = lambda: [other.encode(text, False) for text in texts]
    return contestants


def _in_turns(contestants: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Median CPU seconds of each, the first round left out."""
    spent: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS + 1):
        for name, work in contestants.items():
            start = time.process_time()
            work()
            spent[name].append(time.process_time() - start)
    return {name: round(statistics.median(values[1:]), 4) for name, values in spent.items()}


def across(run: Path) -> dict[str, Any]:
    """Pairs of near-duplicates in two different splits."""
    where: dict[str, str] = {}
    for split in ("train", "validation", "test"):
        for file in sorted((run / "tokens" / split).glob("*.parquet")):
            where |= dict.fromkeys(pq.ParquetFile(file).read(columns=["id"])["id"].to_pylist(), split)
    grams: dict[str, frozenset[tuple[str, ...]]] = {}
    for file in sorted((run / "documents").glob("*.parquet")):
        table = pq.ParquetFile(file).read(columns=["id", "text"])
        for each, text in zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True):
            words = (text or "").lower().split()
            grams[each] = frozenset(tuple(words[i : i + NGRAM]) for i in range(max(1, len(words) - NGRAM + 1)))
    holders: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for each, those in grams.items():
        for gram in those:
            holders[gram].append(each)
    compared, pairs = 0, []
    for each, split in where.items():
        if split == "train":
            continue
        shared: dict[str, int] = defaultdict(int)
        for gram in grams[each]:
            for other in holders[gram]:
                if where[other] != split:
                    shared[other] += 1
        compared += len(shared)
        for other, common in shared.items():
            similarity = common / (len(grams[each]) + len(grams[other]) - common)
            if similarity >= NEAR:
                pairs.append([each, other, round(similarity, 4)])
    return {"documents": len(where), "pairs_with_a_common_5_gram": compared, "pairs_of_at_least_0.8": pairs}


if __name__ == "__main__":
    main()
