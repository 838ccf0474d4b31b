"""The part of a run's report on the mix: the tokens of each domain before and after it, epochs, and what the cap took
from one domain and gave to the others. It is made from mix.json alone."""

from __future__ import annotations

from typing import Any

from curate.engine.store import Store


def mix_table(store: Store) -> dict[str, Any] | None:
    """The mix for the template; None where the run has none. Tokens are those of the training split."""
    if not store.exists("mix.json"):
        return None
    content = store.read_json("mix.json")
    parameters, total = content["parameters"], content["total_tokens"]
    domains: dict[str, dict[str, Any]] = content["domains"]
    available = sum(each["available_tokens"] for each in domains.values())
    rows = [
        {
            "domain": domain,
            "before": each["available_tokens"],
            "before_share": each["available_tokens"] / max(available, 1),
            "asked": each["target_share"] * total,
            "after": each["tokens"],
            "after_share": each["share"],
            "epochs": each["epochs"],
            "capped": each["capped"],
            "moved": each["tokens"] - each["target_share"] * total,
        }
        for domain, each in domains.items()
    ]
    widest = max((max(row["before_share"], row["after_share"]) for row in rows), default=0.0) or 1.0
    return {
        "strategy": parameters["strategy"],
        "max_epochs": parameters["max_epochs"],
        "before": available,
        "after": total,
        "widest": widest,
        "rows": sorted(rows, key=lambda row: (-row["after"], row["domain"])),
        "capped": [row["domain"] for row in rows if row["capped"]],
        "held_back": -sum(row["moved"] for row in rows if row["capped"]),
    }
