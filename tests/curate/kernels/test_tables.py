"""Tables kept beside the compiled kernels are those that the process would build."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from curate.kernels import import_without
from curate.kernels.characters import _built, character_classes
from curate.kernels.tables import stored


def test_kept_tables_are_those_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert np.array_equal(character_classes(), _built())
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "new"))
    built = []

    def build() -> list[np.ndarray]:
        built.append(1)
        return [np.arange(5, dtype=np.uint32), np.zeros((3, 4), dtype=np.uint16)]

    for _ in range(3):
        first, second = stored("example", build, 2)
        assert first.tolist() == [0, 1, 2, 3, 4] and second.shape == (3, 4)
        assert not first.flags.writeable and not second.flags.writeable
    assert len(built) == 1
    for path in (tmp_path / "new").iterdir():
        path.write_bytes(path.read_bytes()[:40])  # as after a full disk
    assert stored("example", build, 2)[0].tolist() == [0, 1, 2, 3, 4] and len(built) == 2


def test_without_a_folder_that_can_be_written_each_process_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for folder in ("", str(tmp_path / "file")):
        monkeypatch.setenv("NUMBA_CACHE_DIR", folder)
        (only,) = stored("example", lambda: [np.arange(3)], 1)
        assert only.tolist() == [0, 1, 2] and not only.flags.writeable


def test_what_only_compiling_needs_is_not_imported_by_a_process_that_finds_its_kernels() -> None:
    code = (
        "import sys; import numpy as np; from curate.kernels.hashing import hash_range\n"
        "hash_range(np.frombuffer(b'abc', np.uint8), 0, 3)\n"
        "print([name for name in ('cffi', 'scipy.linalg', 'numba.np.arraymath') if name in sys.modules])"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # compiles, if nothing has before
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


def test_a_hidden_module_can_be_imported_afterwards() -> None:
    import_without("wave", "colorsys")
    import wave

    assert wave is not None
