"""`python -m curate export RUN --to FORMAT`: token shards as other trainers read them.

nanogpt: `train.bin` and `val.bin`, uint16 ids end to end. megatron: an indexed dataset, `.bin` and `.idx`, for each
split, one document a sequence. huggingface: the Parquet files as they are, with the card by which `datasets` finds
the splits. Documents keep the order of the shards, domain by domain.
"""

from __future__ import annotations

import argparse
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.commands import UsageError
from curate.commands.mix import read_dataset
from curate.commands.runs import finished_run
from curate.engine.store import Store

NANOGPT_NAMES = {"train": "train.bin", "validation": "val.bin", "test": "test.bin"}
MEGATRON_HEADER = b"MMIDIDX\x00\x00"
MEGATRON_TYPES: dict[str, tuple[int, np.dtype[Any]]] = {"uint16": (8, np.dtype("<u2")), "uint32": (4, np.dtype("<i4"))}
"""Our type → Megatron's code and type (megatron/core/datasets/indexed_dataset.py, DType): uint16 is 8, int32 is 4."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="a run's folder with token shards, a path or an fsspec URL")
    parser.add_argument("--to", required=True, choices=sorted(WRITERS), help="the reader")
    parser.add_argument("--output", required=True, metavar="DIR", help="a folder, made if it is not there")


def run(args: argparse.Namespace) -> int:
    store = finished_run(args.run)
    dataset = read_dataset(store)
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    for file in WRITERS[args.to](store, dataset, folder):
        print(file)
    return 0


def documents(store: Store, dataset: dict[str, Any], split: str) -> Iterator[tuple[Any, Any]]:
    """(tokens end to end, length of each document) of each row group of a split."""
    for _, entry in sorted(dataset["splits"][split].items()):
        for name in entry["files"]:
            with store.open(f"tokens/{name}") as source:
                file = pq.ParquetFile(source)
                for group in range(file.num_row_groups):
                    column = file.read_row_group(group, columns=["tokens"])["tokens"].combine_chunks()
                    yield column.flatten().to_numpy(), pc.list_value_length(column).to_numpy()


def nanogpt(store: Store, dataset: dict[str, Any], folder: Path) -> Iterator[Path]:
    """As `data/*/prepare.py` of nanoGPT writes, which reads uint16 alone."""
    if dataset["dtype"] != "uint16":
        raise UsageError(
            f"export: nanoGPT reads uint16, and these shards are {dataset['dtype']}; allowed: a vocabulary of at most "
            "65536, or --to megatron"
        )
    for split, name in NANOGPT_NAMES.items():
        with (folder / name).open("wb") as out:
            for tokens, _ in documents(store, dataset, split):
                out.write(np.ascontiguousarray(tokens, "<u2").tobytes())
        yield folder / name


def megatron(store: Store, dataset: dict[str, Any], folder: Path) -> Iterator[Path]:
    """Megatron-LM's indexed dataset: for each split `SPLIT.bin`, tokens, and `SPLIT.idx`, lengths and places."""
    code, dtype = MEGATRON_TYPES[dataset["dtype"]]
    for split in dataset["splits"]:
        lengths = []
        with (folder / f"{split}.bin").open("wb") as out:
            for tokens, each in documents(store, dataset, split):
                out.write(tokens.astype(dtype).tobytes())
                lengths.append(each)
        sizes = np.concatenate(lengths or [np.zeros(0)]).astype("<i4")
        pointers = (np.cumsum(sizes, dtype=np.int64) - sizes) * dtype.itemsize
        with (folder / f"{split}.idx").open("wb") as out:
            out.write(MEGATRON_HEADER + struct.pack("<QBQQ", 1, code, len(sizes), len(sizes) + 1))
            for array in (sizes, pointers.astype("<i8"), np.arange(len(sizes) + 1, dtype="<i8")):
                out.write(array.tobytes())
        yield folder / f"{split}.bin"
        yield folder / f"{split}.idx"


def huggingface(store: Store, dataset: dict[str, Any], folder: Path) -> Iterator[Path]:
    """The Parquet files in folders by split, and a README.md whose head names them."""
    target = Store(str(folder))
    lines = ["---", "configs:", "- config_name: default", "  data_files:"]
    for split, domains in dataset["splits"].items():
        names = [name for _, entry in sorted(domains.items()) for name in entry["files"]]
        if not names:
            continue
        lines += [f"  - split: {split}", "    path:"]
        for name in names:
            target.take(store, f"tokens/{name}", f"data/{name}")
            lines.append(f'    - "data/{name}"')
            yield folder / "data" / name
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")
    yield folder / "README.md"


WRITERS = {"huggingface": huggingface, "megatron": megatron, "nanogpt": nanogpt}
