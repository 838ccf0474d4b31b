"""The commands of `python -m curate`, nothing else. Each is a module with `add_arguments(parser)` and
`run(arguments) -> int`, imported when it is asked for; errors that a user can mend end here, in one line each."""

from __future__ import annotations

import argparse
import importlib
import sys
from contextlib import suppress

COMMANDS: dict[str, tuple[str, str, str]] = {
    "run": (
        "carry a recipe out", "curate.commands.run", "pipelines/fineweb_like.yaml --set gopher_quality.min_words=30"
    ),
    "plan": (
        "phases, shards and cost of a recipe, without doing it", "curate.commands.plan",
        "pipelines/fineweb_like.yaml --pages 1e9",
    ),
    "status": ("what a run has done", "curate.commands.status", "runs/fineweb_like"),
    "explain": (
        "the life of one document of a run, stage by stage", "curate.commands.explain",
        "runs/fineweb_like https://example.com/",
    ),
    "what-if": (
        "what other thresholds would have done to a run", "curate.commands.what_if",
        "runs/fineweb_like --sweep gopher_quality.min_words=10:100:10",
    ),
    "calibrate": (
        "thresholds for each language from a reference corpus", "curate.commands.calibrate",
        "runs/reference --out thresholds.json",
    ),
    "mix": (
        "shares, epochs and tokens of another mix of a run", "curate.commands.mix",
        "runs/fineweb_like --strategy temperature --temperature 0.5",
    ),
    "export": (
        "token shards for other trainers: nanoGPT, Megatron, Hugging Face", "curate.commands.export",
        "runs/fineweb_like --to megatron --output exported",
    ),
    "tokenizer": (
        "bytes per token, unused and longest tokens of a tokenizer", "curate.commands.tokenizer",
        "report runs/fineweb_like --beside other/tokenizer.json",
    ),
    "verify": (
        "recount a run from its files, and compare with manifest, ledger and dataset.json", "curate.commands.verify",
        "runs/fineweb_like",
    ),
    "report": ("write a run's report.html anew", "curate.commands.report", "runs/fineweb_like"),
    "extract": ("one page, as text", "curate.stages.extract.command", "page.html --format markdown"),
    "stages": ("every stage, parameter, default, unit, source", "curate.commands.stages", "gopher_quality"),
    "crawl-sample": (
        "a sample of Common Crawl, or the mini-web without a network", "curate.sources.crawl_sample",
        "--dump latest --megabytes 500",
    ),
    "crawl": (
        "crawl sites politely into WARC files", "curate.sources.crawl.command",
        "https://example.com/ --out crawls/example --max-pages 1000",
    ),
    "compile": ("fill the cache of compiled kernels, once after an installation", "curate.commands.compile", ""),
    "doctor": ("versions, Ray, models, disk, known traps", "curate.commands.doctor", ""),
}  # fmt: skip
"""Name → (what it does, its module, an example of its arguments)."""


ASKED_WRONGLY = {
    "EarlierRunError", "InputError", "MissingColumnError", "MixError", "ModelError", "OutputError", "RecipeError",
    "SetupError", "UnhiddenStoreError", "UsageError",
}  # fmt: skip
FAILED = {"AssertionError", "OSError", "StageError", "WorkerLostError"}
"""Errors by name, so that nothing heavy is imported to tell them apart."""


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns its exit status: 0 done, 1 failed, 2 called wrongly."""
    arguments = sys.argv[1:] if arguments is None else arguments
    args = parsed(arguments)
    try:
        return int(importlib.import_module(COMMANDS[args.command][1]).run(args))
    except KeyboardInterrupt:
        print("interrupted: what was committed stays; the same command goes on from there", file=sys.stderr)
        return 1
    except BrokenPipeError:
        with suppress(OSError):
            sys.stdout.close()
        return 0
    except Exception as error:
        status = answered(error)
        if status is None:
            raise
        return status


def answered(error: Exception) -> int | None:
    """Tells the user of an error, if it is one that he can mend; the exit status then, else None."""
    from curate.storage import trouble

    said = trouble(error)
    status = exit_status(error) if said is None else 1
    if status is not None:
        for mistake in getattr(error, "mistakes", (said or error,)):  # a recipe may have several
            print(f"error: {mistake}", file=sys.stderr)
    return status


def parsed(arguments: list[str]) -> argparse.Namespace:
    """The arguments, read by the command that they begin with; no other command is imported."""
    parser = argparse.ArgumentParser(
        prog="python -m curate", description="Raw web crawl in, tokenized training shards out."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (summary, module, example) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=f"Such as: python -m curate {name} {example}" if example else None,
        )
        if arguments[:1] == [name]:
            importlib.import_module(module).add_arguments(command)
    return parser.parse_args(arguments)


def exit_status(error: Exception) -> int | None:
    """2 for what the user asked wrongly, 1 for a run that failed, None for what is no answer but a fault of ours."""
    named = {type_.__name__ for type_ in type(error).__mro__}
    if named & ASKED_WRONGLY:
        return 2
    if named & FAILED:
        return 1
    return None


if __name__ == "__main__":
    sys.exit(main())
