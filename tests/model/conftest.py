from pathlib import Path

import pytest

from tests.model.shards import synthetic

pytest.importorskip("torch", reason="the trainer needs the train extra")


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two domains of synthetic text, byte tokens, shares 0.7 and 0.3."""
    return synthetic(tmp_path_factory.mktemp("shards") / "tokens", mix={"prose": 0.7, "numbers": 0.3})


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """For the whole session, so that fixtures which train have it too: on a busy machine two threads wait for each
    other at every operation."""
    import torch

    torch.set_num_threads(1)
