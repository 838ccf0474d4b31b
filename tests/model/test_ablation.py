"""An ablation from arms to report on made-up documents: what is promised of files, queue, controls and findings."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from model import ablate, ablation_jobs, mixture_search
from model.__main__ import main
from model.ablation import AblationError, Arm, Job, jobs_of, read
from model.ablation_jobs import Task, carry_out, run_all
from model.analysis import analyse
from model.arms import ArmRun, planted, recipe_of
from model.frozen import EvaluationDocument, cut, overlapping
from model.mixture import runs_of
from model.report import as_html, as_markdown

WORDS = [f"{a}{b}" for a in ("ba", "do", "ki", "lu", "me", "no", "pa", "ri") for b in ("n", "r", "s", "t", "l")]


def text(seed: int, n: int = 80) -> str:
    """Sentences of made-up words, each likely to follow the one before it: something that can be learnt."""
    rng = random.Random(seed)
    at, words = rng.randrange(len(WORDS)), []
    for _ in range(n):
        at = (at * 3 + rng.randrange(3)) % len(WORDS)
        words.append(WORDS[at])
    return " ".join(words) + "."


def document_id(seed: int) -> str:
    return hashlib.sha256(str(seed).encode()).hexdigest()[:32]


def write_documents(folder: Path, seeds: range) -> None:
    (folder / "documents").mkdir(parents=True)
    table = pa.table({"id": [document_id(i) for i in seeds], "text": [text(i) for i in seeds]})
    pq.write_table(table, folder / "documents" / "00000.parquet")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ablation whose arms need no pipeline: `same` keeps what the baseline keeps, `half` half of it."""
    held = tmp_path / "held.jsonl"
    lines = [{"id": str(i), "site": f"s{i % 8}", "text": text(1000 + i)} for i in range(16)]
    held.write_text("\n".join(map(json.dumps, lines)))
    spec = {
        "name": "made_up",
        "base": "base.yaml",
        "workspace": str(tmp_path / "work"),
        "arms": {"same": None, "half": {"label": "half of it"}},
        "sizes": {"60k": {"tokens": 2048}},
        "points": [0.5, 1.0],
        "seeds": [0, 1],
        "vocabulary": 400,
        "length": 64,
        "batch_tokens": 512,
        "evaluation": {"held": {"jsonl": str(held), "cluster": "site"}},
    }
    path = tmp_path / "ablation.yaml"
    path.write_text(yaml.safe_dump(spec))

    def run_recipe(ablation: Any, name: str, arguments: Any = ()) -> ArmRun:
        folder = tmp_path / "runs" / name
        kept = 60 if name == "half" else 120
        if not folder.exists():
            write_documents(folder, range(kept))
        counts = {"read": 130, "kept": kept, "dropped": {"filter": {"short": 130 - kept}}, "failed": 0}
        return ArmRun(name, folder, f"hash-{name}", counts)

    monkeypatch.setattr(ablate, "run_recipe", run_recipe)
    return path


def results_in(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((path / "results.json").read_text())
    return found


def test_one_command_leads_to_a_report(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = file.parent / "work"
    assert main(["ablate", str(file), "--workers", "1"]) == 0
    first = {name: (work / name).read_bytes() for name in ("results.json", "report.html", "report.md")}
    results = results_in(work)
    effects = results["regimes"]["equal_tokens"]["effects"]
    assert effects["same"]["mean"]["difference"] == 0.0
    assert effects["same"]["mean"]["decision"] == "undecided"
    assert effects["planted_noise"]["mean"]["difference"] != 0.0
    assert results["arms"]["half"]["unique_tokens"] < results["arms"]["baseline"]["unique_tokens"]
    page = first["report.html"].decode()
    assert "half of it" in page
    assert "<script" not in page
    assert "http://www.w3.org" in page  # SVG's name space is the only address in it
    # Killed at some point: some evaluations are gone, the report too. The same command gives the same bytes.
    for number, path in enumerate(sorted((work / "jobs").glob("*/evaluation.json"))):
        if number % 2:
            path.unlink()
    for name in first:
        (work / name).unlink()
    assert main(["ablate", str(file), "--workers", "2"]) == 0
    assert {name: (work / name).read_bytes() for name in first} == first
    (work / "report.html").unlink()
    assert main(["report", str(work)]) == 0
    capsys.readouterr()


def test_a_plan_trains_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", str(file), "--plan"]) == 0
    assert "CPU minutes" in capsys.readouterr().err
    assert not (file.parent / "work" / "jobs").exists()


def test_a_budget_shrinks_the_token_budgets(file: Path) -> None:
    ablation = read(file, {"sizes": {"60k": {"tokens": 10**9}}})
    study = ablate.prepare(ablation, [])
    small = ablate.shrunk(ablation, study, 60.0)
    jobs = jobs_of(small, study.unique_tokens())
    cost = sum(ablation_jobs.cpu_seconds(small, jobs, ablate.evaluation_tokens(study)).values())
    assert small.sizes["60k"].tokens < 10**8
    assert cost < 90


def test_arms_that_keep_the_same_documents_train_once(file: Path) -> None:
    ablation = read(file)
    study = ablate.prepare(ablation, [])
    tasks = ablate.tasks_of(ablation, study)
    folders = {arm: {t.folder for j, t in tasks.items() if j.arm == arm} for arm in ablation.all_arms()}
    assert folders["same"] == folders["baseline"]
    assert folders["null"].isdisjoint(folders["baseline"])


def test_an_arm_added_later_changes_no_other(file: Path) -> None:
    ablation = read(file)
    fewer = read(file, {"arms": {"half": {}}})
    more, less = (ablate.tasks_of(a, ablate.prepare(a, [])) for a in (ablation, fewer))
    assert {t.folder for t in less.values()} <= {t.folder for t in more.values()}


def test_one_failing_job_does_not_stop_the_others(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def train(task: Task) -> str:
        if task.title == "b":
            raise ValueError("spike")
        done.append(task.title)
        return task.title

    monkeypatch.setattr(ablation_jobs, "carry_out", train)
    tasks = [Task(t, str(file.parent / t), {}, 1.0, [1.0], "") for t in "abc"]
    with pytest.raises(ablation_jobs.JobsFailedError, match="1 of 3 training runs failed; first: b: ValueError: spike"):
        run_all(tasks, 1, None, lambda line: None)
    assert done == ["a", "c"]


def test_a_cluster_that_does_not_answer_is_named_at_once_with_what_to_do(tmp_path: Path) -> None:
    task = Task("a", str(tmp_path / "a"), {}, 1.0, [1.0], "")
    with pytest.raises(ablation_jobs.JobsFailedError, match=r"--address 127\.0\.0\.1:9: no Ray cluster answers"):
        run_all([task], 1, "127.0.0.1:9", lambda line: None)


def test_equal_pool_gives_every_arm_the_same_passes(file: Path) -> None:
    ablation = read(file, {"regimes": ["equal_pool"], "sizes": {"60k": {"tokens": 100_000}}})
    tokens = dict.fromkeys(ablation.all_arms(), 1000) | {"half": 500}
    budget = {job.arm: job.tokens for job in jobs_of(ablation, tokens)}
    assert (budget["baseline"], budget["half"]) == (100_000, 50_000)


def shards(n: int = 200) -> pa.Table:
    rng = np.random.default_rng(0)
    tokens = [[*rng.integers(1, 300, 50).tolist(), 0] for _ in range(n)]
    names = [document_id(i) for i in range(n)]
    return pa.table(
        {
            "id": names,
            "domain": ["all"] * n,
            "tokens": pa.array(tokens, pa.list_(pa.uint16())),
            "n_tokens": pa.array([51] * n, pa.int32()),
            "n_bytes": pa.array([200] * n, pa.int64()),
        }
    )


def test_planted_arms_hold_what_they_say(file: Path) -> None:
    ablation, table = read(file), shards()
    noisy = planted("planted_noise", table, ablation)
    added = pc.sum(noisy["n_tokens"]).as_py() - 200 * 51
    assert added / pc.sum(noisy["n_tokens"]).as_py() == pytest.approx(0.1, abs=0.01)
    assert noisy.slice(0, 200).equals(table)
    copied = planted("planted_duplicates", table, ablation)
    assert pc.sum(copied["n_tokens"]).as_py() == pytest.approx(200 * 51, rel=0.02)
    texts = copied["tokens"].to_pylist()
    assert len({tuple(t) for t in texts}) == pytest.approx(100, abs=2)
    assert len(set(copied["id"].to_pylist())) == len(texts)
    assert all(tokens[-1] == 0 for tokens in texts)


def test_an_arms_recipe_extends_the_base(file: Path) -> None:
    recipe = recipe_of(
        read(file), Arm(remove=["filter"], set={"language.min_score": 0.8}), file.parent / "a" / "b" / "c"
    )
    assert Path(recipe["extends"]).name == "base.yaml"
    assert recipe["remove"] == ["filter"]
    assert "insert" not in recipe


def test_evaluation_documents_in_training_text_are_found() -> None:
    documents = [EvaluationDocument("d", str(i), str(i), text(i)) for i in range(3)]
    around = f"Other words before. {text(1)} And after."
    assert overlapping(documents, [text(50), around]) == [False, True, False]


def test_long_documents_are_cut_at_white_space() -> None:
    assert cut("aaa bbb ccc", 9) == "aaa bbb"
    assert len(cut("é" * 100, 50).encode()) <= 50


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": {"null": {}}}, "names of the ablation's own arms"),
        ({"points": [0.5]}, "end with 1.0"),
        ({"seeds": [0]}, "at least 2"),
        ({"arms": 3.5}, "arms"),
        ({"colour": "red"}, "allowed at the top: name, base"),
    ],
)
def test_a_wrong_file_is_refused(file: Path, changes: Mapping[str, Any], message: str) -> None:
    with pytest.raises(AblationError, match=message):
        read(file, changes)


def test_a_missing_evaluation_set_is_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = yaml.safe_load(file.read_text())
    raw["evaluation"]["held"]["jsonl"] = "absent.jsonl"
    file.write_text(yaml.safe_dump(raw))
    assert main(["ablate", str(file)]) == 2
    assert "absent.jsonl" in capsys.readouterr().err


def test_mixture_search_trains_proxies_and_writes_the_file_that_mix_reads(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(tasks: list[Task], workers: int, address: str | None, say: Any) -> None:
        """Instead of training: web text helps, the more the better; books help more, up to a third."""
        for task in tasks:
            n = len(pq.read_table(task.evaluation))
            size = np.array(pq.read_table(task.evaluation)["n_bytes"])
            shares, folder = task.config["mix"], Path(task.folder)
            loss = 2 + np.exp(-2 * shares.get("books", 0)) + np.exp(-shares.get("web", 0))
            folder.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(task.config["seed"]).normal(0, 1e-4, n)
            answer = {"points": [{"bits": ((loss + noise) * size).tolist()}]}
            (folder / "evaluation.json").write_text(json.dumps(answer))

    monkeypatch.setattr(mixture_search, "run_all", trained)
    ablation = read(file, {"mixture": {"size": "60k", "designs": 16, "tokens": 1000}})
    study = ablate.prepare(ablation, [])
    with pytest.raises(AblationError, match="of one domain"):
        mixture_search.search_mixture(ablation, study, 1, None, print)
    described = study.shards["baseline"].folder / "dataset.json"
    content = json.loads(described.read_text())
    content["splits"]["train"] = {"web": {"tokens": 9000}, "books": {"tokens": 1000}, "code": {"tokens": 500}}
    described.write_text(json.dumps(content))
    result = mixture_search.search_mixture(ablation, study, 1, None, lambda line: None)
    assert json.loads((file.parent / "work" / "mixture.json").read_text()) == result
    assert result["weights"]["books"] > 0.4
    assert result["weights"]["code"] < 0.1
    assert runs_of(result).domains == ("books", "code", "web")
    assert all(rival["best_minus_rival"] < 0 for rival in result["validation"]["rivals"].values())


def test_sites_held_out_are_trained_on_by_no_arm(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    hosts = [f"site{i % 40}.example" for i in range(200)]
    table = pa.table(
        {"id": [document_id(i) for i in range(200)], "url": [f"https://{h}/{i}" for i, h in enumerate(hosts)],
         "text": [text(i) for i in range(200)]}
    )  # fmt: skip
    pq.write_table(table, tmp_path / "documents" / "0.parquet")
    arm = ArmRun("a", tmp_path, "", {}, held_out=0.3)
    held = {host for _, host, _ in arm.held_out_documents()}
    kept = {name for name, _, _ in arm.documents()}
    assert 4 <= len(held) <= 20
    assert kept == {document_id(i) for i, h in enumerate(hosts) if h not in held}


# ---------------------------------------------------------------------------------------- findings


def made_up_results(file: Path, harm: float, null: float) -> dict[str, Any]:
    """Findings over evaluations whose effects are known: noise and copies do harm, the null arm shifts by `null`."""
    ablation = read(file, {"sizes": {"60k": {"tokens": 4096}, "250k": {"tokens": 8192}}, "seeds": [0, 1, 2]})
    study = ablate.prepare(ablation, [])
    n = len(study.overlaps)
    size = np.array(pq.read_table(study.evaluation)["n_bytes"])
    shift = {"planted_noise": harm, "planted_duplicates": harm, "null": null, "half": -0.05}
    results = {}
    for job in jobs_of(ablation, study.unique_tokens()):
        rng = np.random.default_rng([job.seed, len(job.arm)])
        points = []
        for part in ablation.points:
            N, D = {"60k": 6e4, "250k": 2.5e5}[job.size], job.tokens * part
            loss = 1.0 + 20 * N**-0.3 + 50 * D**-0.5 + shift.get(job.arm, 0.0) + 0.001 * job.seed
            bits = (loss + rng.normal(0, 0.002, n)) * size
            points.append(
                {
                    "tokens": D,
                    "parameters": N,
                    "parameters_without_embeddings": N,
                    "epochs": {"all": part},
                    "bits": bits.tolist(),
                }
            )
        results[job] = {"points": points, "curve": [[i * 100, 5 - 0.1 * i] for i in range(20)]}
    return analyse(ablation, study, results)


def test_a_sound_instrument_says_what_it_found(file: Path) -> None:
    results = made_up_results(file, harm=0.1, null=0.0)
    assert results["instrument"]["trusted"]
    half = results["regimes"]["equal_tokens"]["effects"]["half"]["mean"]
    assert half["difference"] == pytest.approx(-0.05, abs=0.005)
    assert half["decision"] == "better"
    assert half["multiplier"]["value"] > 1
    assert half["compute_multiplier"]["low"] > 1
    markdown = as_markdown(results)
    assert "half of it: −0.0" in markdown
    assert "Better than the baseline." in markdown
    assert results["regimes"]["equal_tokens"]["transfer"][0]["decision_accuracy"] > 0.5


@pytest.mark.parametrize(("harm", "null"), [(0.0, 0.0), (0.1, 0.2)])
def test_an_instrument_that_sleeps_or_cries_wolf_is_not_trusted(file: Path, harm: float, null: float) -> None:
    results = made_up_results(file, harm, null)
    assert not results["instrument"]["trusted"]
    assert "not to be trusted" in as_html(results, {})


def test_samples_are_escaped(file: Path) -> None:
    page = as_html(made_up_results(file, 0.1, 0.0), {"half": ["<script>alert(1)</script>"]})
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


def test_finished_jobs_are_not_redone(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "evaluation.json").write_text("{}")
    assert carry_out(Task("t", str(folder), {"no": "config"}, 1.0, [1.0], "")) == "t"


def test_a_job_killed_while_it_trains_goes_on_and_gives_the_same_evaluation(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation_jobs, "CHECKPOINT_STEPS", 20)
    ablation = read(file, {"sizes": {"60k": {"tokens": 80_000}}})
    killed, undisturbed = (
        ablate.tasks_of(a, ablate.prepare(a, []))[jobs_of(a, dict.fromkeys(a.all_arms(), 1))[0]]
        for a in (ablation, ablation.model_copy(update={"workspace": str(file.parent / "undisturbed")}))
    )
    worker = multiprocessing.get_context("spawn").Process(target=carry_out, args=(killed,))
    worker.start()
    checkpoints = Path(killed.folder) / "train" / "trunk" / "checkpoints"
    while not list(checkpoints.glob("*.pt")):
        assert worker.is_alive()
        time.sleep(0.01)
    worker.kill()
    worker.join()
    assert not (Path(killed.folder) / "evaluation.json").exists()
    carry_out(killed)
    carry_out(undisturbed)
    found, wanted = (json.loads((Path(t.folder) / "evaluation.json").read_text()) for t in (killed, undisturbed))
    assert found == wanted


def test_jobs_are_ordered_small_first(file: Path) -> None:
    ablation = read(file, {"sizes": {"60k": {"tokens": 4096}, "250k": {"tokens": 8192}}})
    jobs: list[Job] = jobs_of(ablation, dict.fromkeys(ablation.all_arms(), 1))
    assert [job.size for job in jobs] == sorted((job.size for job in jobs), key=["60k", "250k"].index)
