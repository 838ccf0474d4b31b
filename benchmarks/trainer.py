"""The trainer's speed beside a plain training loop of the same shape, in one run: `python -m benchmarks.trainer`.

The plain loop is the one that a careful first version would be: separate matrices for queries, keys, values, gate and
up, whole logits, PyTorch's own cross-entropy and AdamW. Both loops take turns, so that other work on the machine
falls on both; on one CPU thread the clock is the process's CPU time, which other work does not move.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from model.config import device_peak
from model.optimiser import build
from model.transformer import Shape, Transformer


class PlainBlock(nn.Module):
    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.s, w = s, s.width
        self.norms = nn.ModuleList(nn.RMSNorm(w, eps=1e-6) for _ in range(2))
        self.head_norms = nn.ModuleList(nn.RMSNorm(s.head_width, eps=1e-6) for _ in range(2))
        self.q, self.o = nn.Linear(w, w, bias=False), nn.Linear(w, w, bias=False)
        self.k, self.v = (nn.Linear(w, s.kv_heads * s.head_width, bias=False) for _ in range(2))
        self.gate, self.up = (nn.Linear(w, s.hidden, bias=False) for _ in range(2))
        self.down = nn.Linear(s.hidden, w, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        rows, length, width = x.shape

        def heads(y: Tensor) -> Tensor:
            return y.view(rows, length, -1, self.s.head_width).transpose(1, 2)

        def rotate(y: Tensor) -> Tensor:
            a, b = y.chunk(2, -1)
            return y * cos + torch.cat([-b, a], -1) * sin

        y = self.norms[0](x)
        q, k = rotate(self.head_norms[0](heads(self.q(y)))), rotate(self.head_norms[1](heads(self.k(y))))
        attended = F.scaled_dot_product_attention(
            q, k, heads(self.v(y)), is_causal=True, enable_gqa=self.s.heads != self.s.kv_heads
        )
        x = x + self.o(attended.transpose(1, 2).reshape(rows, length, width))
        y = self.norms[1](x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Plain(nn.Module):
    """The same mathematics, written plainly."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.embedding = nn.Embedding(s.vocabulary, s.width)
        self.blocks = nn.ModuleList(PlainBlock(s) for _ in range(s.layers))
        self.norm, self.head = nn.RMSNorm(s.width, eps=1e-6), nn.Linear(s.width, s.vocabulary, bias=False)
        if s.tied:
            self.head.weight = self.embedding.weight
        angles = torch.outer(torch.arange(s.length), s.theta ** -(torch.arange(0, s.head_width, 2) / s.head_width))
        self.register_buffer("angles", torch.cat([angles, angles], -1))

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        x = self.embedding(tokens)
        cos, sin = self.angles.cos().to(x.dtype), self.angles.sin().to(x.dtype)
        for block in self.blocks:
            x = block(x, cos, sin)
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1).float(), targets.flatten())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="60k,250k,1m")
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2, help="steps of each loop in a round")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="compile both")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    clock = time.process_time if args.threads == 1 and not gpu else time.perf_counter
    if gpu:
        torch.set_float32_matmul_precision("high")
    results = []
    for size in args.sizes.split(","):
        shape = Shape.named(size, args.vocabulary, args.length)
        tokens = torch.randint(0, args.vocabulary, (2, args.rows, args.length), device=device)
        ours, plain = Transformer(shape).to(device), Plain(shape).to(device)
        optimisers = {
            "ours": build(ours, "adamw", 1e-3, 0.1),
            "plain": [torch.optim.AdamW(plain.parameters(), lr=1e-3)],
        }
        if args.compile:
            ours.compile()
            plain.compile()

        def steps(name: str, models: dict[str, nn.Module], batch: Tensor, optimisers=optimisers) -> float:  # type: ignore[no-untyped-def]
            began = clock()
            for _ in range(args.steps):
                with torch.autocast(device.type, torch.bfloat16, enabled=gpu):
                    out = models[name](batch[0], batch[1])
                loss = out[0] / batch[1].numel() if name == "ours" else out
                loss.backward()
                nn.utils.clip_grad_norm_(models[name].parameters(), 1.0)
                for optimiser in optimisers[name]:
                    optimiser.step()
                    optimiser.zero_grad(set_to_none=True)
            if gpu:
                torch.cuda.synchronize()
            return args.steps * batch[1].numel() / (clock() - began)

        models: dict[str, nn.Module] = {"ours": ours, "plain": plain}
        for name in models:
            steps(name, models, tokens)
        pairs = [(steps("ours", models, tokens), steps("plain", models, tokens)) for _ in range(args.rounds)]
        speed, plain_speed = (statistics.median(p[i] for p in pairs) for i in range(2))
        ratio = statistics.median(a / b for a, b in pairs)
        peak = device_peak()
        line = {"size": size, "parameters": shape.parameters(), "tokens_per_second": round(speed),
                "plain_tokens_per_second": round(plain_speed), "ratio": round(ratio, 2),
                "ratio_lowest_round": round(min(a / b for a, b in pairs), 2),
                "gflops_per_second": round(speed * shape.flops_per_token() / 1e9, 1),
                "mfu": round(speed * shape.flops_per_token() / peak, 3) if peak else None}  # fmt: skip
        results.append(line)
        print(f"{size:>5} {line['tokens_per_second']:>8,} tokens/s, plain {line['plain_tokens_per_second']:>8,}: "
              f"{line['ratio']:.2f} × (lowest round {line['ratio_lowest_round']:.2f}), "
              f"{line['gflops_per_second']} GFLOP/s, MFU {line['mfu']}", flush=True)  # fmt: skip
    if args.json:
        args.json.write_text(json.dumps({"arguments": {k: str(v) for k, v in vars(args).items()}, "results": results}))
    if not gpu and min(r["ratio"] for r in results) < 1.0:
        sys.exit("the trainer is slower than the plain loop")


if __name__ == "__main__":
    main()
