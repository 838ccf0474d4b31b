"""Persons and places, where a model that finds them is installed: a spaCy pipeline, by name or folder.

Nothing is downloaded. Without a model there are no PERSON or LOCATION findings, which the recipe says by naming none.
"""

from __future__ import annotations

from curate.stages.privacy.recognizers import Finding

LABELS = {
    "PERSON": "PERSON",
    "PER": "PERSON",
    "GPE": "LOCATION",
    "LOC": "LOCATION",
    "FAC": "LOCATION",
    "LOCATION": "LOCATION",
    "ADDRESS": "STREET_ADDRESS",
    "STREET_ADDRESS": "STREET_ADDRESS",
}
"""Labels of spaCy's pipelines (OntoNotes and WikiNER) → types, as presidio-analyzer maps them."""
SCORE = 0.85
"""presidio-analyzer's default for a model that gives no score of its own."""
PIECE = 50_000
"""Characters that the model sees at once: its memory grows with them."""


class Entities:
    """A pipeline, asked piece by piece."""

    def __init__(self, model: str) -> None:
        try:
            import spacy
        except ImportError as error:
            raise ValueError(f"ner_model: {model} needs spaCy, which is not installed (pip install spacy)") from error
        try:
            self._pipeline = spacy.load(model)
        except OSError as error:
            raise ValueError(
                f"ner_model: {model} is neither an installed spaCy pipeline nor a folder of one; install it first, "
                "nothing is downloaded in a run"
            ) from error

    def find(self, text: str) -> list[Finding]:
        found: list[Finding] = []
        start = 0
        while start < len(text):
            stop = min(len(text), start + PIECE)
            if stop < len(text):
                gap = max(text.rfind("\n", start, stop), text.rfind(" ", start, stop))
                stop = gap + 1 if gap > start else stop
            for entity in self._pipeline(text[start:stop]).ents:
                if entity.label_ in LABELS:
                    found.append((LABELS[entity.label_], start + entity.start_char, start + entity.end_char, SCORE))
            start = stop
        return found
