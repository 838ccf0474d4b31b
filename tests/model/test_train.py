"""A run is exact: it learns, resumes bitwise, is the same on several processes, and stops loudly."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from model import checkpoint
from model.checkpoint import CheckpointError
from model.config import Config
from model.optimiser import build, learning_rate_rule, scale_at
from model.shards import DataError, TokenDataset
from model.train import DivergedError, load_model, train, wsd_points
from model.transformer import Shape, Transformer
from tests.model.shards import write_shards


def config(shards: Path, output: Path, **changes: Any) -> Config:
    defaults: dict[str, Any] = {
        "size": "60k",
        "tokens": 16_384,
        "length": 64,
        "batch_tokens": 512,
        "learning_rate": 3e-3,
    }
    return Config(**{**defaults, "data": str(shards), "output": str(output), **changes})


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]


def test_overfits_one_batch(tmp_path: Path) -> None:
    rows = {"train": {"a": [("0" * 32, "The quick brown fox jumps over the lazy dog, twice; then sleeps. " * 2)]}}
    shards = write_shards(tmp_path / "tokens", rows, files=1)
    length = TokenDataset(shards).split("train").n_tokens[0].item()
    result = train(
        config(shards, tmp_path / "run", tokens=length * 2 * 150, length=length, batch_tokens=length * 2),
        progress=False,
    )
    assert losses(tmp_path / "run")[-1] < 0.05
    assert result.epochs == {"a": pytest.approx(300, abs=2)}


def test_killed_and_resumed_run_has_the_same_losses_bit_for_bit(shards: Path, tmp_path: Path) -> None:
    settings = {"checkpoint_every": 7, "log_every": 1}
    whole = train(config(shards, tmp_path / "whole", **settings), progress=False)
    script = (
        "import sys, os, json; from pathlib import Path\n"
        "import model.train as t; from model.config import Config\n"
        "step = t._Run._one_step\n"
        "def dying(run, batch):\n"
        "    if run.step == 17: os._exit(9)\n"
        "    return step(run, batch)\n"
        "t._Run._one_step = dying\n"
        "import torch; torch.set_num_threads(1)\n"
        "t.train(Config(**json.loads(sys.argv[1])), progress=False)\n"
    )
    killed = config(shards, tmp_path / "killed", **settings)
    done = subprocess.run([sys.executable, "-c", script, killed.model_dump_json()], check=False)
    assert done.returncode == 9
    assert len(losses(tmp_path / "killed")) == 17
    resumed = train(killed, resume=True, progress=False)
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    a, b = load_model(whole.output)[0].state_dict(), load_model(resumed.output)[0].state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert resumed.loss == whole.loss


def test_a_finished_run_resumes_to_its_own_result(shards: Path, tmp_path: Path) -> None:
    settings = config(shards, tmp_path / "run", tokens=2048)
    first = train(settings, progress=False)
    assert train(settings, resume=True, progress=False) == first
    with pytest.raises(ValueError, match="--resume"):
        train(settings, progress=False)


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_processes_take_the_same_steps_as_one(shards: Path, tmp_path: Path, parallel: str) -> None:
    settings = {"tokens": 4096, "log_every": 1, "micro_rows": 2, "checkpoint_every": 3}
    train(config(shards, tmp_path / "one", **settings), progress=False)
    two = config(shards, tmp_path / "two", parallel=parallel, threads=1, **settings)
    # Then forget the last two steps and take them again, from a checkpoint that two processes wrote.
    script = (
        "import json, os, sys, time; from pathlib import Path\n"
        "from model.config import Config; from model.train import train\n"
        "config = Config(**json.loads(sys.argv[1]))\n"
        "train(config, progress=False)\n"
        "last = Path(config.output, 'checkpoints/step-00000008.pt')\n"
        "if os.environ['RANK'] == '0':\n"
        "    Path(config.output, 'log.jsonl').rename(Path(config.output, 'first.jsonl')); last.unlink()\n"
        "while last.exists(): time.sleep(0.05)\n"
        "os.environ['MASTER_PORT'] = str(int(os.environ['MASTER_PORT']) + 2)\n"
        "train(config, resume=True, progress=False)\n"
    )
    port = str(20000 + os.getpid() % 10000 + (parallel == "fsdp"))
    environment = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, "-c", script, two.model_dump_json()]
    running = [subprocess.Popen(command, env={**environment, "RANK": str(r)}) for r in range(2)]
    assert [p.wait(100) for p in running] == [0, 0]
    first = [json.loads(line)["loss"] for line in (tmp_path / "two/first.jsonl").read_text().splitlines()]
    assert first == pytest.approx(losses(tmp_path / "one"), abs=1e-4)
    assert losses(tmp_path / "two") == pytest.approx(first[6:], abs=1e-6)
    one, both = load_model(tmp_path / "one")[0].state_dict(), load_model(tmp_path / "two")[0].state_dict()
    for name in one:
        torch.testing.assert_close(one[name], both[name], atol=2e-3, rtol=0)


def test_accumulation_computes_the_same_gradient(shards: Path, tmp_path: Path) -> None:
    train(config(shards, tmp_path / "whole", tokens=4096), progress=False)
    train(config(shards, tmp_path / "parts", tokens=4096, micro_rows=3), progress=False)
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "whole"), abs=1e-4)


@pytest.mark.parametrize(
    "changes", [{"optimiser": "muon"}, {"mask_documents": True}, {"checkpointing": True}, {"precision": "bf16"}]
)
def test_options_train(shards: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    train(config(shards, tmp_path / "run", **changes), progress=False)
    curve = losses(tmp_path / "run")
    assert curve[-1] < curve[0] - 2


def test_tensorboard_gets_what_the_log_gets_or_is_said_to_be_missing(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plotted: list[tuple[str, float, int]] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            assert folder == str(tmp_path / "run/tensorboard")

        def add_scalar(self, *point: Any) -> None:
            plotted.append(point)

        def close(self) -> None:
            plotted.append(("closed", 0.0, 0))

    module = ModuleType("torch.utils.tensorboard")
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    with pytest.raises(ValueError, match="needs `pip install tensorboard`"):
        train(config(shards, tmp_path / "without", tensorboard=True), progress=False)
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    train(config(shards, tmp_path / "run", tokens=2048, log_every=1, tensorboard=True), progress=False)
    assert [value for name, value, _ in plotted if name == "loss"] == losses(tmp_path / "run")
    assert plotted[-1][0] == "closed"


def test_seed_fixes_the_run_and_data_seed_changes_only_the_order(shards: Path, tmp_path: Path) -> None:
    small = {"tokens": 2048, "log_every": 1}
    for name, changes in {"a": {}, "b": {}, "c": {"data_seed": 1}}.items():
        train(config(shards, tmp_path / name, **small, **changes), progress=False)
    assert losses(tmp_path / "a") == losses(tmp_path / "b")
    assert losses(tmp_path / "a") != losses(tmp_path / "c")


def test_wsd_points_share_one_trunk_and_equal_a_run_of_their_own(shards: Path, tmp_path: Path) -> None:
    settings = config(shards, tmp_path / "points", tokens=10_240, schedule="wsd", learning_rate=3e-3, log_every=1)
    points = wsd_points(settings, [0.5, 1.0])
    assert [p.tokens for p in points] == [5120, 10_240]
    alone = train(
        settings.model_copy(update={"output": str(tmp_path / "alone"), "tokens": 5120, "warmup_tokens": 512}),
        progress=False,
    )
    a, b = load_model(points[0].output)[0].state_dict(), load_model(alone.output)[0].state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_schedules_warm_up_and_come_down() -> None:
    cosine = [scale_at(t, 1000, 100, "cosine", 0.2, 0.1) for t in (50, 100, 550, 1000)]
    assert cosine == pytest.approx([0.5, 1.0, 0.55, 0.1])
    wsd = [scale_at(t, 1000, 100, "wsd", 0.2, 0.0) for t in (50, 100, 800, 900, 1000)]
    assert wsd == pytest.approx([0.5, 1.0, 1.0, 0.5, 0.0])


def test_the_rate_follows_the_step_law_and_is_held_for_small_models() -> None:
    assert learning_rate_rule(1_073_741_824, 10**11) == pytest.approx(1.79 * 2 ** (30 * -0.713) * 10 ** (11 * 0.307))
    assert [learning_rate_rule(n, 10**6) for n in (60_000, 250_000)] == [5e-3, 5e-3]


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_every_parameter_is_in_one_optimiser_group(name: str) -> None:
    model = Transformer(Shape.named("60k", 97, 32, tied=False))
    grouped = [id(p) for o in build(model, name, 1e-3, 0.1) for g in o.param_groups for p in g["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())


def test_a_jump_of_the_loss_stops_the_run_and_names_the_documents(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from model.train import _Run

    step = _Run._one_step

    def poisoned(run: _Run, batch: Any) -> Any:
        loss, norm, rate = step(run, batch)
        return (loss * float("nan") if run.step == 15 else loss), norm, rate

    monkeypatch.setattr(_Run, "_one_step", poisoned)
    with pytest.raises(DivergedError, match=r"step 16: loss nan .* documents are in"):
        train(config(shards, tmp_path / "run", checkpoint_every=10), progress=False)
    report = json.loads((tmp_path / "run/diverged.json").read_text())
    known = {i.decode() for i in TokenDataset(shards).split("train").ids.tolist()}
    assert report["documents"] and set(report["documents"]) <= known
    assert [p.name for p in checkpoint.checkpoints(tmp_path / "run/checkpoints")] == ["step-00000010.pt"]


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = checkpoint.save(tmp_path, 1, {"x": torch.ones(3)})

    def full(state: Any, file: Any) -> None:
        file.write(b"half a checkpoint")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(CheckpointError, match=rf"No space left.*last good checkpoint: {good}"):
        checkpoint.save(tmp_path, 2, {"x": torch.ones(3)})
    assert [p.name for p in tmp_path.iterdir()] == [good.name]
    assert checkpoint.load(good)["x"].sum() == 3


def test_a_really_full_disk_is_reported(tmp_path: Path) -> None:
    """A file-size limit stands for the full disk: the write itself fails, halfway."""
    script = (
        "import resource, signal, sys, torch; from pathlib import Path; from model import checkpoint\n"
        "checkpoint.save(Path(sys.argv[1]), 1, {'x': torch.ones(3)})\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: checkpoint.save(Path(sys.argv[1]), 2, {'x': torch.ones(1_000_000)})\n"
        "except checkpoint.CheckpointError as error: print(error); sys.exit(3)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "last good checkpoint" in done.stdout and "step-00000001.pt" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001.pt"]


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 1, {"x": torch.ones(1000)})
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match=r"step-00000001\.pt"):
        checkpoint.load(path)


def test_resuming_with_other_data_is_refused(shards: Path, tmp_path: Path) -> None:
    train(config(shards, tmp_path / "run", tokens=2048), progress=False)
    other = Path(shutil.copytree(shards, tmp_path / "other"))
    (other / "dataset.json").write_text((other / "dataset.json").read_text() + "\n")
    with pytest.raises(ValueError, match=r"another run .*dataset_hash"):
        train(config(other, tmp_path / "run", tokens=2048), resume=True, progress=False)


def test_config_errors_name_the_key(shards: Path, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"data: {shards}\noutput: out\ntokens: 1000\nlearning_rat: 3\n")
    with pytest.raises(ValueError, match=r"c\.yaml: learning_rat: .*allowed keys: data, output"):
        Config.read(path)
    with pytest.raises(ValueError, match=r"size is '2m'; allowed: 60k"):
        train(config(shards, tmp_path / "run", size="2m"))
    with pytest.raises(ValueError, match="less than one step"):
        train(config(shards, tmp_path / "run", tokens=100))


def test_an_empty_training_split_is_refused(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "tokens", {"train": {"a": []}, "validation": {"a": [("1" * 32, "text")]}})
    with pytest.raises(DataError, match="'train' is empty"):
        train(config(shards, tmp_path / "run"), progress=False)
