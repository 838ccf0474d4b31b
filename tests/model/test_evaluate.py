"""Evaluation and sampling: code lengths add up, one document at a time; tasks and commands answer."""

import json
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
import yaml

from model.__main__ import main
from model.config import Config
from model.evaluate import check_tokenizer, evaluate, evaluate_task, memorisation, score
from model.sample import choose, generate, stream
from model.shards import DataError, TokenDataset
from model.train import load_model, train
from model.transformer import Shape, Transformer
from tests.model.shards import EOD, VOCABULARY, byte_tokenizer


@pytest.fixture(scope="module")
def run(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(Config(data=str(shards), output=str(folder), size="60k", tokens=80_000, length=64, batch_tokens=1024,
                 learning_rate=5e-3), progress=False)  # fmt: skip
    return folder


@pytest.fixture
def model(run: Path) -> Transformer:
    return load_model(run)[0]


def test_bits_per_byte_is_the_code_length_of_each_document(shards: Path, model: Transformer) -> None:
    data = TokenDataset(shards)
    result = evaluate(model, data, batch_tokens=700)
    documents = data.split("validation")
    by_id = {i.decode(): n for n, i in enumerate(documents.ids.tolist())}
    table = result.documents.to_pydict()
    for row in (0, 5, 11):
        text = [EOD, *documents.of(by_id[table["id"][row]])[:-1].tolist()]
        nats = 0.0
        for first in range(0, len(text) - 1, 64):
            window = torch.tensor([text[first : first + 65]])
            with torch.no_grad():
                nats += F.cross_entropy(model(window[:, :-1])[0], window[0, 1:], reduction="sum").item()
        assert table["nats"][row] == pytest.approx(nats, rel=1e-4)
    for domain, bits in result.bits_per_byte.items():
        rows = [i for i, d in enumerate(table["domain"]) if d == domain]
        total = sum(table["nats"][i] for i in rows) / math.log(2) / sum(table["n_bytes"][i] for i in rows)
        assert bits == pytest.approx(total)
    assert set(result.bits_per_byte) == {"prose", "numbers"}
    assert result.mean < 4


def test_evaluation_does_not_depend_on_batching_and_keeps_documents(
    shards: Path, model: Transformer, tmp_path: Path
) -> None:
    data = TokenDataset(shards)
    small, large = evaluate(model, data, batch_tokens=64), evaluate(model, data, batch_tokens=100_000)
    np.testing.assert_allclose(small.documents["nats"], large.documents["nats"], rtol=1e-4)
    few = evaluate(model, data, max_documents=3)
    assert len(few.documents) == 6
    few.write(tmp_path)
    assert pq.read_table(tmp_path / "evaluation.parquet").column_names == [
        "id",
        "domain",
        "n_tokens",
        "n_bytes",
        "nats",
    ]
    assert json.loads((tmp_path / "evaluation.json").read_text())["documents"] == 6


def test_a_uniform_model_pays_log2_vocabulary_a_token(shards: Path) -> None:
    data = TokenDataset(shards)
    result = evaluate(Transformer(Shape.named("60k", 257, 64, tied=False)), data)
    tokens, size = (np.sum(result.documents[c].to_numpy()) for c in ("n_tokens", "n_bytes"))
    assert tokens == size + len(result.documents)
    for bits in result.bits_per_byte.values():
        assert bits == pytest.approx(math.log2(257), abs=1e-4)


def test_another_tokenizer_is_refused(shards: Path) -> None:
    with pytest.raises(DataError, match="tokenize the held-out text"):
        check_tokenizer({"tokenizer_hash": "f" * 64}, TokenDataset(shards))


def test_a_vocabulary_larger_than_the_model_s_is_refused(shards: Path) -> None:
    small = Transformer(Shape.named("60k", VOCABULARY - 1, 64))
    with pytest.raises(DataError, match=rf"vocabulary {VOCABULARY}, the model's is {VOCABULARY - 1}; tokenize"):
        evaluate(small, TokenDataset(shards))


def test_tasks_in_the_harness_format(model: Transformer, tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    rows = [{"question": "the river carries", "options": ["the stones", "zqx@@!!"], "answer": 0},
            {"question": "a lantern counts", "options": ["##~~}}{{", "each morning"], "answer": 1}]  # fmt: skip
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    head = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": "q.jsonl"}}, "test_split": "test"}
    choice = {**head, "output_type": "multiple_choice", "doc_to_text": "{{question}}", "doc_to_choice": "options",
              "doc_to_target": "answer"}  # fmt: skip
    cloze = {**head, "output_type": "loglikelihood", "doc_to_text": "question", "doc_to_target": "{{options[answer]}}"}
    (tmp_path / "choice.yaml").write_text(yaml.safe_dump(choice))
    (tmp_path / "cloze.yaml").write_text(yaml.safe_dump(cloze))
    tokenizer = Tokenizer.from_str(byte_tokenizer())
    result = evaluate_task(model, tokenizer, tmp_path / "choice.yaml", EOD)
    assert result["acc"] == 1.0 and result["acc_norm"] == 1.0 and result["gold_probability"] > 0.99
    nats = [score(model, [(np.array([EOD, *text]), 1 + at)])[0][0] for text, at in
            ((b"the river carries the stones", 17), (b"a lantern counts each morning", 16))]  # fmt: skip
    expected = np.mean([nats[0] / 11, nats[1] / 13]) / math.log(2)
    assert result["gold_bits_per_byte"] == pytest.approx(expected, rel=1e-4)
    assert evaluate_task(model, tokenizer, tmp_path / "cloze.yaml", EOD)["gold_bits_per_byte"] == pytest.approx(
        expected
    )
    (tmp_path / "bad.yaml").write_text("output_type: generate_until\n")
    with pytest.raises(ValueError, match="allowed: multiple_choice, loglikelihood"):
        evaluate_task(model, tokenizer, tmp_path / "bad.yaml", EOD)


def test_memorisation_finds_what_is_said_verbatim(shards: Path, model: Transformer) -> None:
    data = TokenDataset(shards)
    documents = data.split("train")
    known = {documents.ids[d].decode(): 4 for d in range(0, len(documents), 2)}
    result = memorisation(model, data, known, prefix=16, continuation=4)
    assert set(result) == {"1+", "4+"}
    long = [d for d in np.flatnonzero(documents.n_tokens > 20) if documents.ids[d].decode() in known]
    said = [
        list(generate(model, documents.of(d)[:16].tolist(), 4, temperature=0)) == documents.of(d)[16:20].tolist()
        for d in long
    ]
    assert result["4+"]["verbatim"] == pytest.approx(np.mean(said))
    assert result["4+"]["documents"] == len(long)


def test_cached_generation_equals_recomputing_everything(model: Transformer) -> None:
    prompt = [EOD, *b"the old clock"]
    cached = list(generate(model, prompt, 30, temperature=0))
    tokens = list(prompt)
    for _ in range(30):
        with torch.no_grad():
            tokens.append(int(model(torch.tensor([tokens]))[0, -1].argmax()))
    assert cached == tokens[len(prompt) :]
    assert len(list(generate(model, prompt, 500, temperature=0))) == 64 - len(prompt) + 1


def test_top_k_and_top_p_keep_the_likeliest() -> None:
    logits = torch.log(torch.tensor([0.05, 0.5, 0.15, 0.3]))
    generator = torch.Generator().manual_seed(0)

    def drawn(**how: float) -> set[int]:
        settings = {"temperature": 1.0, "top_k": 0, "top_p": 1.0} | how
        return {choose(logits, generator=generator, **settings) for _ in range(300)}  # type: ignore[arg-type]

    assert drawn() == {0, 1, 2, 3}
    assert drawn(top_k=2) == {1, 3}
    assert drawn(top_p=0.6) == {1, 3}
    assert drawn(top_p=0.01) == {1}
    assert drawn(temperature=0.0) == {1}


def test_streamed_text_waits_for_whole_characters() -> None:
    from tokenizers import Tokenizer

    pieces = list(stream(iter("naïve 雪".encode()), Tokenizer.from_str(byte_tokenizer())))
    assert "".join(pieces) == "naïve 雪" and all("�" not in p for p in pieces)


def test_commands_from_training_to_export(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "c.yaml"
    recipe.write_text(
        f"data: {shards}\noutput: {tmp_path / 'r'}\nsize: 60k\ntokens: 8192\nlength: 64\nbatch_tokens: 1024\n"
    )
    assert main(["train", str(recipe)]) == 0
    assert set(json.loads(capsys.readouterr().out)["bits_per_byte"]) == {"prose", "numbers"}
    assert main(["train", str(recipe), "--set", f"output={tmp_path / 's'}", "--sweep", "0.5,1"]) == 0
    rates = [json.loads(line)["learning_rate"] for line in capsys.readouterr().out.splitlines()]
    assert rates[1] == pytest.approx(2 * rates[0])
    assert main(["evaluate", str(tmp_path / "r"), "--max-documents", "2", "--output", str(tmp_path / "e")]) == 0
    assert json.loads(capsys.readouterr().out)["documents"] == 4
    assert main(["sample", str(tmp_path / "r"), "--prompt", "the ", "--max-tokens", "5"]) == 0
    assert main(["export", str(tmp_path / "r"), str(tmp_path / "hf")]) == 0
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {p.name for p in (tmp_path / "hf").iterdir()}
    capsys.readouterr()
    assert main(["train", str(recipe)]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(["train", str(recipe), "--set", "data=/nowhere", "--set", f"output={tmp_path / 'n'}"]) == 1
    assert "dataset.json" in capsys.readouterr().err


def test_exported_tokenizer_is_read_by_transformers(run: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers reads what is exported")
    assert main(["export", str(run), str(tmp_path)]) == 0
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer("naïve 雪")["input_ids"] == list("naïve 雪".encode())
    assert tokenizer.eos_token_id == EOD
