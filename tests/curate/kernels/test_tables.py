"""Tables kept beside the compiled kernels are those that the process would build."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from curate.kernels import import_without
from curate.kernels.characters import _built, character_classes
from curate.kernels.tables import Arrays, derived, stored


def test_kept_tables_are_those_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert np.array_equal(character_classes(), _built())
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "new"))
    built = []

    def build() -> Arrays:
        built.append(1)
        return {"first": np.arange(5, dtype=np.uint32), "second": np.zeros((3, 4), dtype=np.uint16)}

    for _ in range(3):
        tables = stored("example", build)
        assert tables["first"].tolist() == [0, 1, 2, 3, 4] and tables["second"].shape == (3, 4)
        assert not any(table.flags.writeable for table in tables.values())
    assert len(built) == 1
    for path in (tmp_path / "new").rglob("*.npy"):
        path.write_bytes(path.read_bytes()[:40])  # as after a full disk
    for _ in range(2):
        assert stored("example", build)["first"].tolist() == [0, 1, 2, 3, 4] and len(built) == 2


def test_derived_arrays_are_built_anew_for_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path))
    for _ in range(2):
        for number in (1, 2):
            assert derived("example", f"key{number}", lambda n=number: {"only": np.full(3, n)})["only"][0] == number
    assert sorted(path.name for path in (tmp_path / "example").iterdir()) == ["key1", "key2"]


def test_without_a_folder_that_can_be_written_each_process_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for folder in ("", str(tmp_path / "file")):
        monkeypatch.setenv("NUMBA_CACHE_DIR", folder)
        only = stored("example", lambda: {"only": np.arange(3)})["only"]
        assert only.tolist() == [0, 1, 2] and not only.flags.writeable


def test_what_only_compiling_needs_is_not_imported_by_a_process_that_finds_its_kernels() -> None:
    code = (
        "import sys; import numpy as np; from curate.kernels.hashing import hash_range\n"
        "from curate.kernels.units import find_units  # makes arrays\n"
        "text = np.frombuffer(b'abc def', np.uint8); hash_range(text, 0, 3)\n"
        "assert len(find_units(text, np.array([0, 7])).hashes) == 2\n"
        "print([name for name in ('cffi', 'scipy.linalg', 'numba.np.arraymath') if name in sys.modules])"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # compiles, if nothing has before
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


def test_a_hidden_module_can_be_imported_afterwards() -> None:
    import_without("wave", "colorsys")
    import wave

    assert wave is not None
