"""Text out of a trained model: one token at a time, keys and values kept, streamed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from model.transformer import Transformer


def choose(logits: torch.Tensor, temperature: float, top_k: int, top_p: float, generator: torch.Generator) -> int:
    """One token id from logits (vocabulary,). Temperature 0 takes the likeliest; `top_k` (0: all) keeps the k
    likeliest, `top_p` the fewest whose probabilities reach p (Holtzman et al. 2020)."""
    if temperature == 0:
        return int(logits.argmax())
    ordered, ids = (logits.float().cpu() / temperature).sort(descending=True)
    if top_k:
        ordered, ids = ordered[:top_k], ids[:top_k]
    probabilities = ordered.softmax(-1)
    # A token stays if those before it have not reached p: the first one always does.
    probabilities = probabilities * (probabilities.cumsum(-1) - probabilities < top_p)
    return int(ids[torch.multinomial(probabilities, 1, generator=generator)])


@torch.inference_mode()
def generate(
    model: Transformer, prompt: Sequence[int], max_tokens: int = 128, temperature: float = 0.8, top_k: int = 0,
    top_p: float = 0.95, seed: int = 0, stop: int | None = None,
) -> Iterator[int]:  # fmt: skip
    """Yield token ids after `prompt` until `stop`, `max_tokens`, or the end of the model's sequence length."""
    shape, parameter = model.shape, model.embedding.weight
    if not prompt or len(prompt) > shape.length:
        raise ValueError(f"the prompt has {len(prompt)} tokens; allowed: 1 to {shape.length}")
    generator = torch.Generator().manual_seed(seed)
    room = (1, shape.kv_heads, min(shape.length, len(prompt) + max_tokens), shape.head_width)
    cache = [(parameter.new_zeros(room), parameter.new_zeros(room)) for _ in range(shape.layers)]
    tokens, start = torch.tensor([list(prompt)], device=parameter.device), 0
    for _ in range(max_tokens):
        logits = model.head(model.hidden(tokens, cache=cache, start=start)[0, -1])
        start += tokens.shape[1]
        token = choose(logits, temperature, top_k, top_p, generator)
        if token == stop:
            return
        yield token
        if start >= room[2]:
            return
        tokens = torch.tensor([[token]], device=parameter.device)


def stream(tokens: Iterator[int], tokenizer: Any) -> Iterator[str]:
    """Pieces of text as they become whole: bytes of an unfinished character are held back."""
    ids: list[int] = []
    said = 0
    for token in tokens:
        ids.append(token)
        text = tokenizer.decode(ids)
        if not text.endswith("�"):
            yield text[said:]
            said = len(text)
    if ids:
        yield tokenizer.decode(ids)[said:]
