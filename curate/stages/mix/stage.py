"""`mix`: says how much of each domain the token shards after it are to be read.

It checks the mix against the domains that there are, so that a wrong one stops the run before anything is tokenized,
and hands it on with the documents as the column `mix_plan`. `tokenize` knows the tokens of each domain exactly; it
makes the allocation and writes mix.json and the weights in dataset.json.
"""

from __future__ import annotations

from functools import partial

import pyarrow as pa

from curate.stage import Batches, Collection, GlobalContext, GlobalOutcome, GlobalStage
from curate.stages.mix.allocation import MixError, check_budget, check_domains
from curate.stages.mix.plan import MixParameters
from curate.stages.tokens.domains import domains_of

PLAN = "mix_plan"
"""Column with the parameters of the mix, as JSON, the same in every row."""


class Mix(GlobalStage):
    """Says by which shares and epochs the domains are mixed."""

    name = "mix"
    Parameters = MixParameters
    reads = ("id", "text")
    parameters: MixParameters

    def writes(self) -> tuple[str, ...]:
        return (PLAN,)

    def fingerprint(self) -> str:
        p = self.parameters
        return "" if p.file is None else repr(sorted(p.fit().__dict__.items()) if p.strategy != "file" else p.named())

    def run(self, documents: Collection, context: GlobalContext) -> GlobalOutcome:
        p = self.parameters
        if p.cluster_weight != "none" and "cluster_size" not in documents.schema.names:
            raise MixError(f"{self.label}: cluster_weight needs the column cluster_size; put deduplicate before it")
        names = [name for name in ("text", "domain") if name in documents.schema.names]
        most: dict[str, int] = {}
        for batch in documents.map("bounds", _bounds, columns=names).batches():
            for row in batch.to_pylist():
                most[row["domain"]] = most.get(row["domain"], 0) + row["tokens"]
        try:
            check_domains(p.named(), most)
            if p.total_tokens is not None:
                wanted = p.named() or most
                check_budget(p.total_tokens, {domain: most[domain] for domain in wanted}, p.max_epochs)
        except MixError as error:
            raise MixError(f"{self.label}: {error}") from error
        plan = documents.map("plan", partial(_plan, plan=p.model_dump_json()), columns=["row"])
        return GlobalOutcome(columns=plan, summary={"strategy": p.strategy, "bytes": most})


def _bounds(batches: Batches, shard: int) -> Batches:
    """The most tokens that a domain can have: one for each byte and one to end each document."""
    most: dict[str, int] = {}
    for batch in batches:
        for domain, text in zip(domains_of(batch), batch.column("text").to_pylist(), strict=True):
            most[domain] = most.get(domain, 0) + len((text or "").encode()) + 1
    yield pa.RecordBatch.from_arrays(
        [pa.array(list(most), pa.string()), pa.array(list(most.values()), pa.int64())], names=["domain", "tokens"]
    )


def _plan(batches: Batches, shard: int, plan: str) -> Batches:
    for batch in batches:
        yield pa.RecordBatch.from_arrays(
            [batch.column("row"), pa.array([plan] * batch.num_rows, pa.string())], names=["row", PLAN]
        )
