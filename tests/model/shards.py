"""Token shards of the exact layout that `curate` writes, from synthetic text, for the trainer's tests."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

VOCABULARY = 257
EOD = 256

SUBJECTS = [
    "the river",
    "a lantern",
    "my neighbour",
    "the old clock",
    "a grey heron",
    "the baker",
    "our ship",
    "the moon",
]
VERBS = ["carries", "remembers", "follows", "repairs", "sings to", "measures", "forgets", "counts"]
OBJECTS = ["the stones", "each morning", "a quiet song", "seven doors", "the winter", "its own shadow", "the bread"]


def text(rng: random.Random, domain: str, sentences: int) -> str:
    """Sentences with structure enough to be learnt; each domain has a register of its own."""
    if domain == "numbers":
        return " ".join(
            f"{a} + {b} = {a + b}." for a, b in ((rng.randrange(50), rng.randrange(50)) for _ in range(sentences))
        )
    parts = [f"{rng.choice(SUBJECTS)} {rng.choice(VERBS)} {rng.choice(OBJECTS)}" for _ in range(sentences)]
    return ". ".join(parts) + "."


def byte_tokenizer() -> str:
    """A `tokenizers` model whose 256 tokens are the bytes, and the end of document."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    # byte-level BPE without merges; its alphabet in byte order, so that id = byte
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    alphabet, spare = {}, 256
    for byte in range(256):
        if byte in printable:
            alphabet[chr(byte)] = byte
        else:
            alphabet[chr(spare)] = byte
            spare += 1
    tokenizer = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return str(tokenizer.to_str())


def write_shards(
    folder: Path,
    documents: dict[str, dict[str, list[tuple[str, str]]]],
    mix: dict[str, float] | None = None,
    files: int = 2,
) -> Path:
    """Write `tokens/` for split → domain → [(id, text)], `files` Parquet files a domain. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = byte_tokenizer().encode()
    (folder / "tokenizer.json").write_bytes(tokenizer)
    splits: dict[str, dict[str, object]] = {}
    for split, domains in documents.items():
        splits[split] = {}
        for domain, rows in domains.items():
            names, tokens, size = [], 0, 0
            for number in range(min(files, len(rows))):
                part = rows[number::files]
                name = f"{split}/{domain}-{number:05d}.parquet"
                encoded = [[*body.encode(), EOD] for _, body in part]
                table = pa.table(
                    {
                        "id": pa.array([identity for identity, _ in part], pa.string()),
                        "domain": pa.array([domain] * len(part), pa.string()),
                        "tokens": pa.array(encoded, pa.list_(pa.uint16())),
                        "n_tokens": pa.array([len(e) for e in encoded], pa.int64()),
                        "n_bytes": pa.array([len(e) - 1 for e in encoded], pa.int64()),
                    }
                )
                (folder / split).mkdir(exist_ok=True)
                pq.write_table(table, folder / name, compression="zstd", row_group_size=64)
                names.append(name)
                tokens += sum(map(len, encoded))
                size += sum(len(e) - 1 for e in encoded)
            splits[split][domain] = {"files": names, "tokens": tokens, "bytes": size, "documents": len(rows)}
    description = {
        "tokenizer_hash": hashlib.sha256(tokenizer).hexdigest(),
        "vocabulary": VOCABULARY,
        "eod": EOD,
        "dtype": "uint16",
        "splits": splits,
        "mix": mix or {},
        "recipe_hash": "0" * 64,
    }
    (folder / "dataset.json").write_text(json.dumps(description, indent=1))
    return folder


def synthetic(
    folder: Path, train: int = 400, held_out: int = 40, mix: dict[str, float] | None = None, seed: int = 0
) -> Path:
    """Two domains, `prose` and `numbers` (a third of the documents)."""
    rng = random.Random(seed)

    def documents(split: str, count: int) -> dict[str, list[tuple[str, str]]]:
        made: dict[str, list[tuple[str, str]]] = {"prose": [], "numbers": []}
        for i in range(count):
            domain = "numbers" if i % 3 == 0 else "prose"
            identity = hashlib.md5(f"{split}{i}".encode()).hexdigest()
            made[domain].append((identity, text(rng, domain, rng.randrange(2, 20))))
        return made

    sizes = {"train": train, "validation": held_out, "test": held_out}
    return write_shards(folder, {split: documents(split, count) for split, count in sizes.items()}, mix)
