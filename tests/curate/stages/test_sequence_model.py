"""`classify: {engine: transformers}` with a tiny random model: by length, the same for any batch, clear errors."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curate.stage import Shared
from curate.stages.quality.fasttext_model import ModelError
from curate.stages.quality.sequence_model import SequenceModel, model_hash
from curate.stages.quality.stage import Classify, ClassifyParameters

WORDS = "the river flows past old stone mill a copper bridge over harbour in winter quiet valley".split()


def saved(folder: Path, labels: int) -> Path:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    vocabulary = {word: place for place, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    plain = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    plain.pre_tokenizer = Whitespace()
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="[PAD]", unk_token="[UNK]")
    torch.manual_seed(1)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=256, num_labels=labels,
    )  # fmt: skip
    config.initializer_range = 1.0
    model = transformers.BertForSequenceClassification(config)
    model.save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("two"), 2)


def texts(n: int) -> list[str]:
    source = np.random.default_rng(3)
    return [" ".join(source.choice(WORDS, size=int(source.integers(1, 400)))) for _ in range(n)]


def test_each_answer_is_the_librarys_own_whatever_it_is_batched_with(folder: Path) -> None:
    torch: Any = importlib.import_module("torch")
    transformers: Any = importlib.import_module("transformers")
    model = SequenceModel(folder, batch_size=4, max_tokens=128)
    made = texts(23)
    together = model.probabilities(made)
    np.testing.assert_array_equal(together[7:9], model.probabilities(made[7:9]))
    np.testing.assert_array_equal(together[::-1], model.probabilities(made[::-1]))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    reference = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    for text, found in zip(made, together, strict=True):
        inputs = tokenizer(text, truncation=True, max_length=128, return_tensors="pt", return_token_type_ids=False)
        with torch.inference_mode():
            expected = torch.softmax(reference(**inputs).logits, dim=-1)[0].numpy()
        np.testing.assert_allclose(found, expected, atol=2e-4)


def test_the_stage_labels_scores_and_drops(folder: Path) -> None:
    stage = Classify(ClassifyParameters(model=str(folder), engine="transformers", keep=["LABEL_1"], batch_size=4))
    stage.open()
    outcome = stage.process(pa.RecordBatch.from_pydict({"text": [*texts(12), "", None, "a\0b\n"]}), Shared())
    found = outcome.batch.column("classify").to_pylist()
    assert {row["label"] for row in found} <= {"LABEL_0", "LABEL_1"} and outcome.verdicts is not None
    dropped = [rule is not None for rule in outcome.verdicts.column("rule").to_pylist()]
    assert dropped == [row["label"] != "LABEL_1" for row in found]


def test_a_model_with_one_output_gives_that_as_the_score(tmp_path: Path) -> None:
    stage = Classify(ClassifyParameters(model=str(saved(tmp_path, 1)), engine="transformers", min_score=0.0))
    stage.open()
    outcome = stage.process(pa.RecordBatch.from_pydict({"text": texts(20)}), Shared())
    scores = [row["score"] for row in outcome.batch.column("classify").to_pylist()]
    assert min(scores) < 0 < max(scores) and outcome.verdicts is not None
    assert [rule is None for rule in outcome.verdicts.column("rule").to_pylist()] == [score >= 0 for score in scores]


def test_gpus_are_asked_for_only_by_this_engine(folder: Path) -> None:
    assert Classify(ClassifyParameters(model=str(folder), engine="transformers", gpus=0.5)).resources.gpu == 0.5
    assert Classify(ClassifyParameters(model="domain", gpus=1)).resources.gpu == 0


def test_the_fingerprint_is_that_of_the_files(folder: Path, tmp_path: Path) -> None:
    first = model_hash(folder)
    (folder / "note.txt").write_text("changed")
    assert model_hash(folder) != first
    (folder / "note.txt").unlink()
    assert model_hash(folder) == first


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json; a folder that transformers"):
        Classify(ClassifyParameters(model=str(tmp_path), engine="transformers")).fingerprint()
    pytest.importorskip("transformers")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="not a sequence classifier"):
        SequenceModel(tmp_path, 4, 128)
