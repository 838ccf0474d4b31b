"""The transformer: a decoder with RMSNorm (pre-norm), rotary positions, QK-norm, grouped-query attention and SwiGLU.

It computes what Qwen3's dense models compute (Yang et al. 2025, arXiv:2505.09388), so `save_pretrained` writes a folder
that `transformers` loads as `Qwen3ForCausalLM`. The file reads as the data goes: sizes, attention, block, model, loss,
export.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from model.data import IGNORE

SIZES: dict[str, tuple[int, int, int, int]] = {
    # name: layers, width, heads, key-value heads; parameters outside the embeddings ≈ 12 · layers · width²
    "60k": (2, 48, 3, 3),
    "100k": (2, 64, 4, 4),
    "250k": (3, 80, 5, 5),
    "1m": (5, 128, 4, 4),
    "4m": (5, 256, 8, 8),
    "15m": (8, 384, 6, 6),
    "60m": (12, 640, 10, 10),
    "125m": (12, 768, 12, 12),  # GPT-2 small's and GPT-3's shapes (Brown et al. 2020, table 2.1) from here on:
    "350m": (24, 1024, 16, 16),  # these two names count a 50k vocabulary's embedding, as the field does
    "1b": (20, 2048, 16, 8),
}
"""Up to 60m the name counts parameters outside the embeddings, since small vocabularies vary. Depth grows slowly (about
log N), width takes the rest; heads are 16 wide below 1m, then 32, 64, and 128 for 1b."""


@dataclass(frozen=True)
class Shape:
    """What is needed to build a model; stored in every checkpoint."""

    vocabulary: int
    layers: int
    width: int
    heads: int
    kv_heads: int
    hidden: int
    """Inner width of SwiGLU: 8/3 of the width (the parameters of a plain MLP of 4 ×), rounded up to 16."""
    length: int
    """Longest sequence, in tokens."""
    tied: bool
    """Whether the output matrix is the embedding."""
    theta: float = 10_000.0
    """Base of the rotary frequencies (Su et al. 2021)."""

    @classmethod
    def named(cls, size: str, vocabulary: int, length: int, tied: bool | None = None) -> Shape:
        """The shape of a size; `tied` defaults to true below 60m, where embeddings would outweigh the rest."""
        if size not in SIZES:
            raise ValueError(f"size is {size!r}; allowed: {', '.join(SIZES)}")
        layers, width, heads, kv_heads = SIZES[size]
        hidden = math.ceil(width * 8 / 3 / 16) * 16
        return cls(vocabulary, layers, width, heads, kv_heads, hidden, length, width < 640 if tied is None else tied)

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    def parameters(self, embeddings: bool = True) -> int:
        """Number of parameters, with or without the embedding and output matrices."""
        w = self.width
        attention = w * self.head_width * (2 * self.heads + 2 * self.kv_heads) + 2 * self.head_width
        block = attention + 3 * w * self.hidden + 2 * w
        return self.layers * block + w + (self.vocabulary * w * (1 if self.tied else 2) if embeddings else 0)

    def flops_per_token(self) -> int:
        """Training FLOPs a token: 6 a parameter that multiplies, 12·layers·width·length for attention (Chowdhery et
        al. 2022, appendix B: the causal half counted in full, as the field does)."""
        matrices = self.parameters(embeddings=False) + self.vocabulary * self.width
        return 6 * matrices + 12 * self.layers * self.width * self.length


class RMSNorm(nn.Module):
    """x / rms(x) · gain (Zhang & Sennrich 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.gain.to(x.dtype), eps=1e-6)


@cache
def _compiled_flex() -> Any:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention)


def document_mask(document: Tensor) -> Any:
    """Who may see whom when documents are masked: causal and of one document. (rows, length) → a boolean mask on CPU, a
    block mask for flex attention (which skips blocks that are masked whole) on GPU."""
    rows, length = document.shape
    if document.device.type == "cpu":
        return (document[:, None, :, None] == document[:, None, None, :]).tril()
    from torch.nn.attention.flex_attention import create_block_mask

    def allowed(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (query >= key) & (document[row, query] == document[row, key])

    return create_block_mask(allowed, rows, None, length, length, device=document.device)


class Attention(nn.Module):
    """Causal grouped-query attention; queries and keys are normalised a head at a time (QK-norm), then rotated."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = shape.heads, shape.kv_heads, shape.head_width
        self.qkv = nn.Linear(shape.width, (shape.heads + 2 * shape.kv_heads) * shape.head_width, bias=False)
        self.q_gain = nn.Parameter(torch.empty(shape.head_width))
        self.k_gain = nn.Parameter(torch.empty(shape.head_width))
        self.output = nn.Linear(shape.heads * shape.head_width, shape.width, bias=False)

    def forward(
        self, x: Tensor, rotation: Tensor, mask: Any = None, cached: tuple[Tensor, Tensor, int] | None = None
    ) -> Tensor:
        rows, length, _ = x.shape
        heads = self.qkv(x).view(rows, length, -1, self.head_width)
        qk, v = heads.split([self.heads + self.kv_heads, self.kv_heads], dim=2)
        # One normalisation and one rotation for queries and keys together.
        gain = torch.cat([self.q_gain.expand(self.heads, -1), self.k_gain.expand(self.kv_heads, -1)]).to(qk.dtype)
        a, b = (F.rms_norm(qk, (self.head_width,), eps=1e-6) * gain).chunk(2, dim=-1)
        cos, sin = rotation.to(qk.dtype).unbind()
        qk = torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1).transpose(1, 2)
        q, k = qk.split([self.heads, self.kv_heads], dim=1)
        v = v.transpose(1, 2)
        if cached is not None:
            keys, values, start = cached
            keys[:, :, start : start + length], values[:, :, start : start + length] = k, v
            k, v = keys[:, :, : start + length], values[:, :, : start + length]
            if start:
                mask = torch.ones(length, start + length, dtype=torch.bool, device=x.device).tril(start)
        grouped = self.heads != self.kv_heads
        if mask is None or isinstance(mask, Tensor):
            y = F.scaled_dot_product_attention(q, k, v, mask, is_causal=mask is None, enable_gqa=grouped)
        else:
            y = _compiled_flex()(q, k, v, block_mask=mask, enable_gqa=grouped)
        return self.output(y.transpose(1, 2).reshape(rows, length, -1))


class SwiGLU(nn.Module):
    """down(silu(gate(x)) · up(x)) (Shazeer 2020); gate and up are one matrix."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_up = nn.Linear(shape.width, 2 * shape.hidden, bias=False)
        self.output = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.output(F.silu(gate) * up)


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm, self.attention = RMSNorm(shape.width), Attention(shape)
        self.mlp_norm, self.mlp = RMSNorm(shape.width), SwiGLU(shape)

    def forward(
        self, x: Tensor, rotation: Tensor, mask: Any = None, cached: tuple[Tensor, Tensor, int] | None = None
    ) -> Tensor:
        x = x + self.attention(self.attention_norm(x), rotation, mask, cached)
        return x + self.mlp(self.mlp_norm(x))


class LinearCrossEntropy(torch.autograd.Function):
    """Sum of cross-entropies of `hidden @ weight.T`, without ever holding all logits.

    A chunk of tokens at a time, so that the chunk's logits stay in the CPU's cache: logits, their exponentials, and at
    once both gradients (softmax − one-hot is at hand). Backward only scales what forward left. On 2 cores this is what
    makes a small model with a vocabulary of thousands quick. Returns (sum, loss of each token).
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        weight_now = weight.to(hidden.dtype)
        wanted = any(ctx.needs_input_grad)
        grad_hidden = torch.empty_like(hidden) if wanted else None
        grad_weight = torch.zeros_like(weight) if wanted else None
        losses = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        # 1M logits are 4 MB: a core's share of the outer cache. Fewer rows than 128 would starve the matrix product.
        chunk = max(128, (1 << 20) // len(weight))
        for i in range(0, len(hidden), chunk):
            h, t = hidden[i : i + chunk], targets[i : i + chunk]
            logits = (h @ weight_now.T).float()
            scored = t != IGNORE
            index = torch.where(scored, t, 0)[:, None]
            highest = logits.amax(-1, keepdim=True)
            right = logits.gather(1, index) - highest
            # One exponential a logit serves loss and gradient: softmax = exponentials / total, divided a row at a time.
            total = logits.sub_(highest).exp_().sum(-1, keepdim=True)
            losses[i : i + chunk] = torch.where(scored, (total.log() - right)[:, 0], 0.0)
            if grad_hidden is not None and grad_weight is not None:
                scale = (scored[:, None] / total).to(hidden.dtype)
                exponentials = logits.scatter_add_(1, index, -total).to(hidden.dtype)
                torch.mm(exponentials, weight_now, out=grad_hidden[i : i + chunk])
                grad_hidden[i : i + chunk] *= scale
                grad_weight += (exponentials.T @ (h * scale)).to(grad_weight.dtype)
        ctx.save_for_backward(grad_hidden, grad_weight)
        ctx.mark_non_differentiable(losses)
        return losses.sum(), losses

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, _: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[override]
        grad_hidden, grad_weight = ctx.saved_tensors
        return grad_hidden * upstream.to(grad_hidden.dtype), grad_weight * upstream, None


class Transformer(nn.Module):
    """The language model."""

    rotation: Tensor

    def __init__(self, shape: Shape, seed: int = 0, checkpointing: bool = False) -> None:
        super().__init__()
        self.shape, self.checkpointing = shape, checkpointing
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = RMSNorm(shape.width)
        self.head = nn.Linear(shape.width, shape.vocabulary, bias=False)
        if shape.tied:
            self.head.weight = self.embedding.weight
        pairs = torch.arange(0, shape.head_width, 2, dtype=torch.float32) / shape.head_width
        angles = torch.outer(torch.arange(shape.length, dtype=torch.float32), shape.theta**-pairs)
        # (2, length, 1, head_width / 2): cosines and sines, in fp32 (bf16 loses positions beyond 256)
        self.register_buffer("rotation", torch.stack([angles.cos(), angles.sin()])[:, :, None], persistent=False)
        self.initialise(seed)

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """Draw every parameter from `seed`, each from its own generator, so that arms of one shape start equal.

        Normal(0.02); residual outputs 0.02/√(2·layers) (Radford et al. 2019); gains 1; a separate output matrix 0; a
        tied one 1/width, for its logit with the token itself is about width·std, which at 0.02 would swamp the rest.
        """
        residual = 0.02 / math.sqrt(2 * self.shape.layers)
        for name, parameter in self.named_parameters():
            # torch's CPU generator takes no notice of a seed's bits beyond 32.
            generator = torch.Generator().manual_seed(zlib.crc32(f"{seed}/{name}".encode()))
            match name.rsplit(".", 2)[-2:]:
                case [_, "gain" | "q_gain" | "k_gain"]:
                    parameter.fill_(1.0)
                    continue
                case ["embedding", "weight"]:
                    std = 1 / self.shape.width if self.shape.tied else 0.02
                case ["head", "weight"]:
                    std = 0.0
                case ["output", "weight"]:
                    std = residual
                case ["qkv" | "gate_up", "weight"]:
                    std = 0.02
                case _:
                    raise ValueError(f"no initial value is defined for the tensor {name}; add one to initialise()")
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * std)

    def hidden(
        self, tokens: Tensor, mask: Any = None, cache: Sequence[tuple[Tensor, Tensor]] = (), start: int = 0
    ) -> Tensor:
        """(rows, length) ids → (rows, length, width). `cache`: keys and values by layer; `start`: cached so far."""
        rotation = self.rotation[:, start : start + tokens.shape[1]]
        x = self.embedding(tokens)
        for i, block in enumerate(self.blocks):
            if self.checkpointing and self.training:
                x = checkpoint(block, x, rotation, mask, use_reentrant=False)
            else:
                x = block(x, rotation, mask, (*cache[i], start) if cache else None)
        return self.norm(x)

    def forward(self, tokens: Tensor, targets: Tensor | None = None, mask: Any = None) -> Any:
        """Logits (rows, length, vocabulary); with `targets`: (summed loss in nats, loss of each target, flat).
        Targets equal to IGNORE count nothing."""
        hidden = self.hidden(tokens, mask)
        if targets is None:
            return self.head(hidden)
        hidden, targets = hidden.flatten(0, 1), targets.flatten()
        if hidden.device.type == "cpu":
            return LinearCrossEntropy.apply(hidden, self.head.weight, targets)
        losses = F.cross_entropy(self.head(hidden).float(), targets, ignore_index=IGNORE, reduction="none")
        return losses.sum(), losses.detach()

    def save_pretrained(self, folder: Path, tokenizer: bytes | None = None, eod: int | None = None) -> None:
        """Write config.json, model.safetensors and the tokenizer as `transformers` reads them: Qwen3ForCausalLM."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        s, h = self.shape, self.shape.head_width
        tensors = {"model.embed_tokens.weight": self.embedding.weight, "model.norm.weight": self.norm.gain}
        if not s.tied:
            tensors["lm_head.weight"] = self.head.weight
        for i, block in enumerate(self.blocks):
            at, attention = f"model.layers.{i}.", block.attention
            q, k, v = attention.qkv.weight.split([s.heads * h, s.kv_heads * h, s.kv_heads * h])
            gate, up = block.mlp.gate_up.weight.chunk(2)
            tensors |= {
                f"{at}input_layernorm.weight": block.attention_norm.gain,
                f"{at}post_attention_layernorm.weight": block.mlp_norm.gain,
                f"{at}self_attn.q_proj.weight": q,
                f"{at}self_attn.k_proj.weight": k,
                f"{at}self_attn.v_proj.weight": v,
                f"{at}self_attn.o_proj.weight": attention.output.weight,
                f"{at}self_attn.q_norm.weight": attention.q_gain,
                f"{at}self_attn.k_norm.weight": attention.k_gain,
                f"{at}mlp.gate_proj.weight": gate,
                f"{at}mlp.up_proj.weight": up,
                f"{at}mlp.down_proj.weight": block.mlp.output.weight,
            }
        plain = {name: tensor.detach().float().cpu().clone().contiguous() for name, tensor in tensors.items()}
        save_file(plain, folder / "model.safetensors", metadata={"format": "pt"})
        config = {
            "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "torch_dtype": "float32",
            "vocab_size": s.vocabulary, "hidden_size": s.width, "intermediate_size": s.hidden,
            "num_hidden_layers": s.layers, "num_attention_heads": s.heads, "num_key_value_heads": s.kv_heads,
            "head_dim": h, "max_position_embeddings": s.length, "rope_theta": s.theta, "rms_norm_eps": 1e-6,
            "hidden_act": "silu", "attention_bias": False, "tie_word_embeddings": s.tied,
            "bos_token_id": eod, "eos_token_id": eod,
        }  # fmt: skip
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        if tokenizer is not None:
            (folder / "tokenizer.json").write_bytes(tokenizer)
            added = {token["id"]: token["content"] for token in json.loads(tokenizer).get("added_tokens", [])}
            end = {"bos_token": added[eod], "eos_token": added[eod]} if eod in added else {}
            settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": s.length, **end}
            (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
