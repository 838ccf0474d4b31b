"""Encoders: tiktoken's ids are those of tokenizers, or it is not used and the reason is said; tokenizers by path."""

from __future__ import annotations

import base64
import gzip
import io
import json
import logging
import os
import random
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.stages.tokens.tokenizers_bpe import SPECIAL_TOKENS, Encoder, TokenizerError, opened, train
from curate.stages.tokens.tokenizers_read import PUBLISHED, load
from curate.stages.tokens.tokenizers_tiktoken import byte_alphabet
from tests.curate.stages.tokens.test_tokenize import documents, files, tokenized

TEXTS = [row["text"] for row in documents(200)] + [
    "aaaa aaaaa aaaaaaa",
    "it's they'll I'VE  \n\n  x = 1234;\t//…\r\n",
] * 9


@cache
def both(split_digits: bool) -> tuple[Encoder, Encoder]:
    """The encoder as it chooses, and by tokenizers."""
    data = train(TEXTS, 700, split_digits)
    return Encoder(data), Encoder(data, "tokenizers")


@pytest.mark.parametrize("split_digits", [True, False])
@settings(max_examples=300, deadline=None)
@given(
    text=st.lists(
        st.one_of(
            st.text(),
            st.text(" \n\t\r\u00a0\u2028'slLtvedm19٣ⅷaß"),
            st.sampled_from([*SPECIAL_TOKENS[:5], "aaaa", "🙂🏽", "e\u0301", "\U00011de3", "東京", " the", "\x00"]),
        )
    ).map("".join)
)
def test_tiktoken_gives_the_ids_of_tokenizers_on_any_text(split_digits: bool, text: str) -> None:
    fast, slow = both(split_digits)
    assert fast.library == "tiktoken" and slow.library == "tokenizers"
    assert fast.encode([text]) == slow.encode([text])
    assert fast.decode(fast.encode([text])[0]) == text


@pytest.mark.parametrize("step", [23, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("split_digits", [True, False])
def test_both_split_at_every_code_point_alike(split_digits: bool, step: int) -> None:
    """Unicode beside a letter, a number, a sign and a space: every 23rd code point, or all."""
    fast, slow = both(split_digits)
    points = [chr(point) for point in range(0, 0x110000, step) if not 0xD800 <= point < 0xE000]
    for start in range(0, len(points), 1 << 14):
        text = "".join(f"a{c}1{c}! {c} " for c in points[start : start + (1 << 14)])
        assert fast.encode([text]) == slow.encode([text])


def test_both_agree_on_real_texts(shared_data: Path) -> None:
    with gzip.open(shared_data / "text/webtext.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines][:60]
    with gzip.open(shared_data / "language/sentences.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts += [json.loads(line)["text"] for line in lines][::20]
    data = train(texts[::2], 8000, True)
    fast = Encoder(data)
    assert fast.library == "tiktoken"
    assert fast.encode(texts) == Encoder(data, "tokenizers").encode(texts)


@pytest.mark.parametrize(
    "text", ["a" + " " * 1_200_000 + "b", "!" * 600_000, "\n" * 600_000, "1" * 600_000, "a" * 600_000]
)
def test_very_long_runs_are_encoded_alike(text: str) -> None:
    fast, slow = both(True)
    assert fast.encode([text]) == slow.encode([text])


def changed(**parts: Any) -> bytes:
    """The trained tokenizer with something of it replaced; `model` is merged."""
    content = json.loads(train(TEXTS, 500, True))
    content["model"] |= parts.pop("model", {})
    return json.dumps(content | parts).encode()


def _unreachable() -> bytes:
    content = json.loads(train(TEXTS, 500, True))
    content["model"]["vocab"]["zqzq"] = 500
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (changed(normalizer={"type": "NFC"}), "it has a normalizer, NFC"),
        (changed(pre_tokenizer={"type": "Whitespace"}), "its steps before the model are Whitespace"),
        (changed(pre_tokenizer=None), "its steps before the model are none"),
        (
            changed(model={"merges": json.loads(train(TEXTS, 500, True))["model"]["merges"][::-1]}),
            "its merges are not in",
        ),
        (_unreachable(), "some of its tokens cannot be reached"),
    ],
)
def test_what_tiktoken_cannot_express_is_encoded_by_tokenizers_and_said(data: bytes, reason: str) -> None:
    encoder = Encoder(data)
    assert encoder.library == "tokenizers" and reason in encoder.why_slow
    assert encoder.encode(TEXTS) == Encoder(data, "tokenizers").encode(TEXTS)


def test_a_run_says_by_what_it_encoded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fast, _ = tokenized(documents(60))
    assert fast.summary["encoded_by"] == "tiktoken"
    (tmp_path / "tokenizer.json").write_bytes(changed(normalizer={"type": "NFC"}))
    with caplog.at_level(logging.WARNING):
        slow, _ = tokenized(documents(60), tokenizer=str(tmp_path / "tokenizer.json"))
    assert slow.summary["encoded_by"] == "tokenizers" and "normalizer" in slow.summary["encoded_by_note"]
    assert "encoding by tokenizers, slowly: it has a normalizer, NFC" in caplog.text


def tiktoken_file(folder: Path, name: str) -> Path:
    """The trained vocabulary as a tiktoken encoding."""
    alphabet = byte_alphabet()
    vocabulary = json.loads(train(TEXTS, 600, False))["model"]["vocab"]
    tokens = [
        bytes(alphabet[c] for c in token)
        for token in sorted(vocabulary, key=vocabulary.get)
        if token not in SPECIAL_TOKENS
    ]
    file = folder / f"{name}.tiktoken"
    file.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens)))
    return file


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_a_tiktoken_encoding_gives_tiktokens_own_ids(tmp_path: Path, name: str) -> None:
    import tiktoken
    from tiktoken.load import load_tiktoken_bpe

    file = tiktoken_file(tmp_path, name)
    encoder = Encoder(load(str(file)))
    own = tiktoken.Encoding(
        name,
        pat_str=PUBLISHED[name][0],
        mergeable_ranks=load_tiktoken_bpe(str(file)),
        special_tokens=PUBLISHED[name][1],
    )
    assert encoder.library == "tiktoken" and encoder.eod == own.eot_token and encoder.vocabulary == own.n_vocab
    for library in ("tiktoken", "tokenizers"):
        found = Encoder(load(str(file)), library).encode(TEXTS)  # type: ignore[arg-type]
        assert found == [[*own.encode_ordinary(text), own.eot_token] for text in TEXTS]
    assert encoder.special_tokens == dict(PUBLISHED[name][1])


def test_the_published_patterns_split_as_tiktokens_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tiktoken
    import tiktoken_ext.openai_public as public

    monkeypatch.setattr(public, "load_tiktoken_bpe", lambda *_, **__: {})
    ranks = {bytes([byte]): byte for byte in range(256)}
    ranks |= {bytes([a, b]): 256 + 256 * a + b for a in range(256) for b in range(256)}
    rows = [
        *TEXTS,
        "I'LL It's\n\n\n  x  \n y",
        "HelloWorld'S ABCdef/\n//\r\n 12345 ١٢٣٤",
        "a\u0301É ǅ中文かな\u00a0 \u2003x",
    ]
    for name, (pattern, special) in PUBLISHED.items():
        theirs = getattr(public, name)()
        assert theirs["special_tokens"] == special
        one, other = (
            tiktoken.Encoding(name, pat_str=p, mergeable_ranks=ranks, special_tokens={})
            for p in (pattern, theirs["pat_str"])
        )
        assert [one.encode_ordinary(row) for row in rows] == [other.encode_ordinary(row) for row in rows]


def test_a_tiktoken_encoding_of_ones_own_needs_its_pattern(tmp_path: Path) -> None:
    file = tiktoken_file(tmp_path, "mine")
    with pytest.raises(TokenizerError, match="does not hold its pattern; allowed: the name of a published one"):
        load(str(file))
    beside = file.with_suffix(".json")
    beside.write_text(json.dumps({"pattern": r"\S+|\s+", "special_tokens": {"<|endoftext|>": 9000}}))
    encoder = Encoder(load(str(file)))
    assert encoder.eod == 9000 and encoder.encode(["a <|endoftext|>"])[0].count(9000) == 1
    beside.write_text("{}")
    file.touch()
    with pytest.raises(TokenizerError, match=r'mine\.json: wanted: \{"pattern"'):
        load(str(file))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"not base64!\n", "not a tiktoken encoding"), (b"YQ== 0\n", "255 of 256 single bytes have no rank")],
)
def test_a_file_that_is_no_tiktoken_encoding_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "cl100k_base.tiktoken").write_bytes(content)
    with pytest.raises(TokenizerError, match=message):
        load(str(tmp_path / "cl100k_base.tiktoken"))


def sentencepiece_file(folder: Path, **options: Any) -> Path:
    spm = pytest.importorskip("sentencepiece")
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=model, vocab_size=400, minloglevel=2, character_coverage=1.0,
        hard_vocab_limit=False, num_threads=1, **options,
    )  # fmt: skip
    (folder / "own.model").write_bytes(model.getvalue())
    return folder / "own.model"


@pytest.mark.parametrize(
    "options",
    [
        {
            "model_type": "bpe",
            "byte_fallback": True,
            "normalization_rule_name": "identity",
            "remove_extra_whitespaces": False,
        },
        {"model_type": "bpe", "split_digits": True},
        {"model_type": "unigram"},
        {
            "model_type": "unigram",
            "byte_fallback": True,
            "add_dummy_prefix": False,
            "normalization_rule_name": "identity",
        },
    ],
)
def test_a_sentencepiece_model_gives_its_own_ids(tmp_path: Path, options: dict[str, Any]) -> None:
    import sentencepiece as spm

    file = sentencepiece_file(tmp_path, **options)
    encoder, own = Encoder(load(str(file))), spm.SentencePieceProcessor(model_file=str(file))
    assert encoder.eod == own.eos_id() and encoder.vocabulary == own.vocab_size()
    texts = [*TEXTS, "", " two  spaces ", "</s> is text", "中文 unseen ☃ ﬁ"]
    assert encoder.encode(texts) == [[*ids, own.eos_id()] for ids in own.encode(texts)]
    assert encoder.library == "tokenizers" and encoder.why_slow
    if not options.get("remove_extra_whitespaces", True):
        assert [encoder.decode(ids) for ids in encoder.encode(texts)] == texts
    outcome, dataset = tokenized(documents(40), tokenizer=str(file))
    assert dataset["eod"] == own.eos_id() and sum(map(len, files(outcome).values())) == 40


def test_a_sentencepiece_model_that_cannot_be_expressed_is_refused(tmp_path: Path) -> None:
    file = sentencepiece_file(tmp_path, user_defined_symbols=["<x>"])
    with pytest.raises(TokenizerError, match="user-defined or unused pieces"):
        load(str(file))
    (tmp_path / "bad.model").write_bytes(b"no model")
    with pytest.raises(TokenizerError, match=r"bad\.model: not a SentencePiece model"):
        load(str(tmp_path / "bad.model"))


def test_a_tokenizer_that_cannot_end_a_document_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_bytes(changed(added_tokens=[]).replace(b"<|endoftext|>", b"<|start|>"))
    with pytest.raises(TokenizerError, match="none of the special tokens that can end a document here"):
        load(str(tmp_path / "t.json"))


ONE_CORE = """
import sys
from curate.stages.tokens.tokenizers_bpe import train
sys.stdout.buffer.write(train(sys.stdin.read().split(chr(10)), 2000, True))
"""


def test_the_merges_are_the_same_on_one_core_and_on_all(monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(5)
    words = ["".join(source.choices("aeioulnrst", k=source.randrange(2, 9))) for _ in range(3000)]
    texts = [" ".join(source.choices(words, k=60)) for _ in range(400)]
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    on_all = train(texts, 2000, True)
    assert os.environ["TOKENIZERS_PARALLELISM"] == "false"
    on_one = subprocess.run(
        [sys.executable, "-c", ONE_CORE], input="\n".join(texts).encode(), capture_output=True, check=True,
        env=os.environ | {"RAYON_NUM_THREADS": "1"},
    ).stdout  # fmt: skip
    assert on_one == on_all


def test_a_tokenizer_is_opened_once_a_process() -> None:
    data = train(TEXTS, 700, True)
    assert opened(data, "tiktoken") is opened(bytes(bytearray(data)), "tiktoken")
    assert opened(data, "tiktoken") is not opened(data, "tokenizers")
