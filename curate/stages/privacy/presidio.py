"""Presidio's pattern recognizers, without the language models that its package imports.

`import presidio_analyzer` loads spaCy, and torch and transformers where they are installed: some 8 s of CPU and half a
gigabyte in every worker, for engines that are never asked. The recognizers' own modules need none of it, so they are
loaded by themselves, unchanged; whoever imports Presidio afterwards gets all of it.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import pkgutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = "presidio_analyzer"
_RECOGNIZERS = f"{PACKAGE}.predefined_recognizers"
_MODULES = {
    "CryptoRecognizer": f"{_RECOGNIZERS}.generic.crypto_recognizer",
    "EmailRecognizer": f"{_RECOGNIZERS}.generic.email_recognizer",
    "IbanRecognizer": f"{_RECOGNIZERS}.generic.iban_recognizer",
    "MacAddressRecognizer": f"{_RECOGNIZERS}.generic.mac_recognizer",
    "UsSsnRecognizer": f"{_RECOGNIZERS}.country_specific.us.us_ssn_recognizer",
}
_PACKAGES = (
    PACKAGE,
    _RECOGNIZERS,
    f"{_RECOGNIZERS}.generic",
    f"{_RECOGNIZERS}.country_specific",
    f"{_RECOGNIZERS}.country_specific.us",
)
"""Packages of those modules, whose `__init__` would load many others."""

_CORE = (
    ("analysis_explanation", "AnalysisExplanation"),
    ("recognizer_result", "RecognizerResult"),
    ("entity_recognizer", "EntityRecognizer"),
    ("local_recognizer", "LocalRecognizer"),
    ("pattern", "Pattern"),
    ("pattern_recognizer", "PatternRecognizer"),
)
"""What recognizers import from the package itself, each after what it needs: module, class."""
_ENGINES = f"{PACKAGE}.nlp_engine"
"""Recognizers name a class of it in annotations alone."""

_LOCK = threading.Lock()


def mute() -> None:
    """Presidio logs values (`Failed to validate text …`) and pages about missing models; it may log nothing."""
    logger = logging.getLogger("presidio-analyzer")
    logger.setLevel(logging.CRITICAL + 1)
    logger.propagate = False


def generic(*names: str) -> list[Any]:
    """Presidio's classes of these names, of recognizers that the detector asks by default."""
    with _LOCK, _recognizers_alone():
        return [getattr(importlib.import_module(_MODULES[name]), name) for name in names]


def national() -> dict[str, Any]:
    """Presidio's pattern recognizers of every country: class name → class."""
    with _LOCK, _recognizers_alone():
        base = importlib.import_module(PACKAGE).PatternRecognizer
        countries = importlib.import_module(f"{_RECOGNIZERS}.country_specific")
        found = {}
        for each in pkgutil.walk_packages(countries.__path__, countries.__name__ + "."):
            module = importlib.import_module(each.name)
            for name, kind in vars(module).items():
                if isinstance(kind, type) and issubclass(kind, base) and kind.__module__ == module.__name__:
                    found[name] = kind
        return found


@contextmanager
def _recognizers_alone() -> Iterator[None]:
    """While it is open, `presidio_analyzer` is a package of its recognizers' modules only. Where all of Presidio is
    loaded already, that is used."""
    if PACKAGE in sys.modules:
        yield
        return
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ImportError("presidio-analyzer is not installed (pip install presidio-analyzer)")
    folder = Path(spec.origin).parent
    try:
        for name in _PACKAGES:
            module = ModuleType(name)
            module.__path__ = [str(folder.joinpath(*name.split(".")[1:]))]
            sys.modules[name] = module
        engines = ModuleType(_ENGINES)
        engines.NlpArtifacts = engines.NlpEngine = object  # type: ignore[attr-defined]
        sys.modules[_ENGINES] = engines
        for name, kind in _CORE:
            setattr(sys.modules[PACKAGE], kind, getattr(importlib.import_module(f"{PACKAGE}.{name}"), kind))
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
