"""A run that is killed, wherever it is, ends with the bytes of one that was not."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.kills import Victim, kill_once

SHARD_BYTES = 12_000


@pytest.mark.parametrize(("target", "moment"), [("worker", 2), ("driver", 5), ("ray", 3)])
def test_a_killed_run_ends_with_the_same_bytes(tmp_path: Path, crawl: Path, target: str, moment: int) -> None:
    pattern = f"{crawl}/*.warc.gz"
    undisturbed = Victim(tmp_path / "calm", pattern, SHARD_BYTES, workers=0)
    undisturbed.start()
    undisturbed.finish("worker", attempts=1)
    hashes, repeated = kill_once(tmp_path / target, pattern, SHARD_BYTES, target, moment)
    assert hashes == undisturbed.hashes()
    assert repeated == (0 if target == "worker" else 1)
