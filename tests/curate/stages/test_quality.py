"""Scores by fastText files: loaded by hash, calibrated, kept by exactly; bad files are refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
import pytest

from classifiers.fasttext_process import train
from curate.stage import GlobalContext, Shared
from curate.stages.quality.fasttext_model import FastTextModel, ModelError, calibrated, find, prepare
from curate.stages.quality.stage import (
    Classify,
    ClassifyParameters,
    KeepTop,
    KeepTopParameters,
    Quality,
    QualityParameters,
)
from tests.curate.stages.collection import apply, collection

GOOD = ["the river flows past the old stone mill", "a copper bridge over the harbour", "winter in the quiet valley"]
BAD = ["win cash now click here", "free casino bonus click now", "cheap pills free cash bonus"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small classifier of two labels with its description."""
    folder = tmp_path_factory.mktemp("model")
    lines = [f"__label__good {prepare(t)}\n" for t in GOOD] + [f"__label__bad {prepare(t)}\n" for t in BAD]
    (folder / "train.txt").write_text("".join(lines * 40))
    path = folder / "small.bin"
    settings = {"input": str(folder / "train.txt"), "dim": 8, "epoch": 20, "lr": 0.5, "thread": 1, "verbose": 0}
    train(settings | {"wordNgrams": 2, "bucket": 1000}, quantize=False, target=path)
    card = {"name": "small", "sha256": FastTextModel(path).sha256, "labels": ["good", "bad"], "positive": "good"}
    path.with_suffix(".json").write_text(json.dumps(card))
    return path


def batch(texts: list[str | None]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"id": [f"{i:032x}" for i in range(len(texts))], "text": texts})


def test_a_score_is_the_probability_of_the_positive_label(model: Path) -> None:
    scores = FastTextModel(model).scores([*GOOD, *BAD])
    assert (scores[:3] > 0.8).all() and (scores[3:] < 0.2).all()


def test_texts_with_line_ends_nuls_labels_or_nothing_are_scored_as_one_text_each(model: Path) -> None:
    texts = ["", "\n\n", "\0", "river\nmill\r\nstone", "river\u2028mill", "__label__good click cash", "好" * 50]
    scores = FastTextModel(model).scores(texts)
    assert scores.shape == (7,) and np.isfinite(scores).all()
    assert scores[0] == scores[1] == 0.5
    assert scores[3] == FastTextModel(model).scores(["river mill stone"])[0]


def test_a_score_does_not_depend_on_the_batch(model: Path) -> None:
    loaded = FastTextModel(model)
    assert list(loaded.scores([*GOOD, *BAD])) == [float(loaded.scores([text])[0]) for text in [*GOOD, *BAD]]


def test_a_model_whose_hash_differs_is_refused(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "small.bin"
    copy.write_bytes(model.read_bytes()[:-1] + b"\x01")
    copy.with_suffix(".json").write_bytes(model.with_suffix(".json").read_bytes())
    with pytest.raises(ModelError, match=r"its hash is .*put the matching pair back"):
        FastTextModel(copy)


def test_what_is_no_classifier_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model 'nothing'; allowed"):
        find("nothing")
    (tmp_path / "empty.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="not a fastText model"):
        FastTextModel(tmp_path / "empty.bin")
    (tmp_path / "words.txt").write_text(" ".join(GOOD * 20))
    fasttext.train_unsupervised(str(tmp_path / "words.txt"), dim=4, minCount=1, thread=1, verbose=0).save_model(
        str(tmp_path / "vectors.bin")
    )
    with pytest.raises(ModelError, match="without classes"):
        FastTextModel(tmp_path / "vectors.bin")


def test_calibration_keeps_the_order_and_the_identity_is_none() -> None:
    raw = np.linspace(0, 1, 11)
    assert (calibrated(raw, None) == raw).all()
    assert (np.diff(calibrated(raw, (-2.0, 1.0))) > 0).all()


def test_quality_keeps_by_threshold_and_says_the_value(model: Path) -> None:
    stage = Quality(QualityParameters(model=str(model), threshold=0.5))
    stage.open()
    outcome = stage.process(batch([GOOD[0], BAD[0], None]), Shared())
    assert outcome.verdicts is not None
    assert outcome.verdicts.column("rule").to_pylist() == [None, "low_score", None]
    scores = outcome.batch.column("quality").field("score").to_pylist()
    assert outcome.verdicts.column("value").to_pylist()[1] == f"{scores[1]:.9g}"


def test_pareto_sampling_keeps_some_of_the_low_and_depends_on_the_id_alone(model: Path) -> None:
    stage = Quality(QualityParameters(model=str(model), sample="pareto"))
    stage.open()
    many = batch([BAD[0]] * 3000)
    margins = stage.process(many, Shared()).batch.column("quality").field("pareto_margin").to_numpy()
    score = float(stage.model.scores([BAD[0]])[0])
    expected = (1 + (1 - score)) ** -9.0
    assert (margins > 0).mean() == pytest.approx(expected, abs=4 * (expected / 3000) ** 0.5 + 1e-3)
    alone = stage.process(many.slice(7, 1), Shared()).batch.column("quality").field("pareto_margin").to_numpy()
    assert alone[0] == margins[7]


@pytest.mark.parametrize("shards", [1, 3, 7])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 1.0])
def test_keep_top_keeps_exactly_the_share_however_the_documents_are_sharded(shards: int, share: float) -> None:
    source = np.random.default_rng(3)
    scores = source.random(200).round(2)  # many ties
    rows = [{"id": f"{i:032x}", "quality": {"score": float(score)}} for i, score in enumerate(scores)]
    documents = collection(rows, shards)
    outcome = KeepTop(KeepTopParameters(share=share)).run(documents, GlobalContext(512, 1, ""))
    kept = set(apply(documents, outcome).kept)
    best = sorted(rows, key=lambda row: (-row["quality"]["score"], row["id"]))[: int(np.ceil(200 * share))]
    assert kept == {row["id"] for row in best}


def test_classify_drops_a_label_only_where_it_is_sure(model: Path) -> None:
    stage = Classify(ClassifyParameters(model=str(model), drop=["bad"], min_probability=0.6))
    stage.open()
    outcome = stage.process(batch([GOOD[0], BAD[0]]), Shared())
    assert outcome.verdicts is not None
    assert outcome.verdicts.column("rule").to_pylist() == [None, "unwanted_label"]
