"""`python -m curate compile`: fills the cache of compiled kernels, so that no run pays for compiling.

A few made pages go through every stage that has kernels: each kernel is then compiled for exactly the types that
stages call it with. numba writes the code to the environment's cache (see curate.kernels), from which every later
process loads it in milliseconds. Run once after an installation or an update; `make setup` does. What former versions
left in the caches, and nobody has used for a month, is removed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from curate.commands.caches import prune
from curate.commands.run import job_of
from curate.engine.executor import InlineExecutor
from curate.engine.progress import Progress
from curate.engine.run import RunResult
from curate.engine.run import run as carry_out
from curate.recipe import load

PAGES = 24

RECIPE = """
name: compile
input: {{html: {pages}}}
stages:
  - url_filter: {{mode: annotate}}
  - language_prescreen: {{keep: [en], mode: annotate}}
  - extract
  - language: {{mode: annotate}}
  - gopher_repetition: {{mode: annotate}}
  - gopher_quality: {{mode: annotate}}
  - fineweb_quality: {{mode: annotate}}
  - c4_paragraphs: {{mode: annotate}}
  - c4_quality: {{mode: annotate}}
  - token_outliers: {{mode: annotate}}
  - machine_text: {{mode: annotate}}
  - nsfw: {{mode: annotate}}
  - toxic: {{mode: annotate}}
  - spam: {{mode: annotate}}
  - decontaminate: {{benchmarks: [{benchmark}]}}
  - pii: {{mode: replace}}
  - deduplicate: {{by: lines, min_words: 1}}
  - deduplicate: {{by: substring}}
  - deduplicate: {{by: minhash, threshold: 0.7, verify: 0.7}}
output: {output}
"""

QUESTION = "Which of the four seasons follows after a long winter in the high mountains of the north of the country?"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Takes two minutes the first time, some seconds when all is there."


def run(args: argparse.Namespace) -> int:
    began = time.perf_counter()
    compile_kernels()
    print(f"kernels ready in {time.perf_counter() - began:.1f} s", file=sys.stderr)
    gone, freed = prune()
    if gone:
        print(f"removed from the caches: {gone} folders not used any more, {freed / 1e6:.0f} MB", file=sys.stderr)
    return 0


def compile_kernels() -> RunResult:
    """Compiles, or loads, every kernel."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "pages").mkdir()
        for number in range(PAGES):
            (folder / "pages" / f"{number}.html").write_text(_page(number), encoding="utf-8")
        benchmark = folder / "questions.jsonl"
        benchmark.write_text(json.dumps({"text": QUESTION}) + "\n", encoding="utf-8")
        recipe = folder / "recipe.yaml"
        recipe.write_text(
            RECIPE.format(pages=f"{folder}/pages/*.html", benchmark=benchmark, output=folder / "run"), encoding="utf-8"
        )
        return carry_out(job_of(load(str(recipe), [], None)), InlineExecutor, Progress(quiet=True))


def _page(number: int) -> str:
    """Three in four pages share all but one sentence; some hold what only the rarer kernels look at."""
    body = [
        f"<p>The {place} lies {number % 4} hours from the coast, and its people speak of it.</p>" for place in _PLACES
    ]
    rare = [
        f"<p>Write to reader{number}@mail.example.com or call +1 212 555 0{100 + number}, from 192.0.2.{number}.</p>",
        "<p>Card 4111 1111 1111 1111, account DE89 3704 0044 0532 0130, key AKIAIOSFODNN7EXAMPLE.</p>",
        f"<table><tr><th>Season</th><td>{number}</td></tr></table><pre><code>x = {number}</code></pre>",
        f"<p>{QUESTION} 他在图书馆里读书，然后回家了。 เขาอ่านหนังสือในห้องสมุดแล้วกลับบ้าน</p>",
    ]
    return (
        f"<html lang=en><head><title>Page {number}</title></head><body><nav><a href='/'>Home</a></nav><main>"
        f"<h1>Page {number}</h1>{''.join(body)}{rare[number % 4]}</main><footer>All rights reserved</footer></body>"
    )


_PLACES = ("village", "harbour", "old mill by the river", "second market", "school", "library", "bridge", "garden")
