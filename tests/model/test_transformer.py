"""The transformer computes what it says: every block against float64, masks, initial loss, export to transformers."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from model.data import IGNORE
from model.transformer import SIZES, Attention, LinearCrossEntropy, RMSNorm, Shape, SwiGLU, Transformer, document_mask

SMALL = Shape(vocabulary=97, layers=2, width=32, heads=4, kv_heads=2, hidden=48, length=24, tied=False)


def scrambled(shape: Shape, dtype: torch.dtype = torch.float32) -> Transformer:
    """A model none of whose tensors is zero or one, so that every path shows."""
    model = Transformer(shape)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2 + (parameter.ndim == 1)
    return model.to(dtype)


def plain_attention(layer: Attention, x: torch.Tensor, theta: float) -> torch.Tensor:
    """Attention by its definition, one head and one position at a time."""
    length = x.shape[1]
    h, heads, kv = layer.head_width, layer.heads, layer.kv_heads
    q_w, k_w, v_w = layer.qkv.weight.split([heads * h, kv * h, kv * h])

    def head(weight: torch.Tensor, i: int, gain: torch.Tensor | None) -> torch.Tensor:
        y = x @ weight[i * h : (i + 1) * h].T
        if gain is None:
            return y
        y = y / torch.sqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6) * gain
        out = []
        for position in range(length):
            angle = position * theta ** (-torch.arange(0, h, 2, dtype=x.dtype) / h)
            a, b = y[:, position, : h // 2], y[:, position, h // 2 :]
            out.append(torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1))
        return torch.stack(out, 1)

    results = []
    for i in range(heads):
        q, k, v = head(q_w, i, layer.q_gain), head(k_w, i * kv // heads, layer.k_gain), head(v_w, i * kv // heads, None)
        row = []
        for t in range(length):
            weights = torch.softmax((q[:, t : t + 1] * k[:, : t + 1]).sum(-1) / math.sqrt(h), -1)
            row.append((weights[..., None] * v[:, : t + 1]).sum(1))
        results.append(torch.stack(row, 1))
    return torch.cat(results, -1) @ layer.output.weight.T


def assert_same_value_and_gradients(ours, plain, inputs: list[torch.Tensor]) -> None:  # type: ignore[no-untyped-def]
    a, b = ours(), plain()
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)
    probe = torch.randn(a.shape, dtype=a.dtype, generator=torch.Generator().manual_seed(5))
    for left, right in zip(
        torch.autograd.grad((a * probe).sum(), inputs), torch.autograd.grad((b * probe).sum(), inputs), strict=True
    ):
        torch.testing.assert_close(left, right, rtol=1e-7, atol=1e-9)


def test_each_block_matches_a_plain_float64_implementation() -> None:
    model = scrambled(SMALL, torch.float64)
    # the rotation is kept in fp32; here it is made again in fp64
    pairs = torch.arange(0, 8, 2, dtype=torch.float64) / 8
    angles = torch.outer(torch.arange(24, dtype=torch.float64), 10_000.0**-pairs)
    rotation = torch.stack([angles.cos(), angles.sin()])[:, :, None]
    block = model.blocks[0]
    x = torch.randn(2, 24, 32, dtype=torch.float64, requires_grad=True)
    attention, mlp, norm = block.attention, block.mlp, block.mlp_norm
    assert isinstance(attention, Attention) and isinstance(mlp, SwiGLU) and isinstance(norm, RMSNorm)

    def plain_norm(layer: RMSNorm, y: torch.Tensor) -> torch.Tensor:
        return y / torch.sqrt((y * y).mean(-1, keepdim=True) + 1e-6) * layer.gain

    def plain_mlp(y: torch.Tensor) -> torch.Tensor:
        gate, up = y @ mlp.gate_up.weight[:48].T, y @ mlp.gate_up.weight[48:].T
        return (gate * torch.sigmoid(gate) * up) @ mlp.output.weight.T

    def plain_block() -> torch.Tensor:
        y = x + plain_attention(attention, plain_norm(block.attention_norm, x), 10_000.0)
        return y + plain_mlp(plain_norm(norm, y))

    assert_same_value_and_gradients(lambda: norm(x), lambda: plain_norm(norm, x), [x, norm.gain])
    assert_same_value_and_gradients(lambda: mlp(x), lambda: plain_mlp(x), [x, *mlp.parameters()])
    assert_same_value_and_gradients(
        lambda: attention(x, rotation), lambda: plain_attention(attention, x, 10_000.0), [x, *attention.parameters()]
    )
    assert_same_value_and_gradients(lambda: block(x, rotation), plain_block, [x, *block.parameters()])


@pytest.mark.parametrize("vocabulary", [97, 9000])
def test_fused_cross_entropy_equals_torch(vocabulary: int) -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(300, 16, generator=generator, requires_grad=True)
    weight = torch.randn(vocabulary, 16, generator=generator, requires_grad=True)
    targets = torch.randint(0, vocabulary, (300,), generator=generator)
    targets[::7] = IGNORE
    total, each = LinearCrossEntropy.apply(hidden, weight, targets)
    expected = F.cross_entropy(hidden @ weight.T, targets, ignore_index=IGNORE, reduction="none")
    torch.testing.assert_close(each, expected)
    ours = torch.autograd.grad(total * 0.5, [hidden, weight])
    plain = torch.autograd.grad(expected.sum() * 0.5, [hidden, weight])
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("size", "vocabulary"), [("60k", 4096), ("1m", 32000), ("15m", 8192)])
def test_initial_loss_is_ln_vocabulary(size: str, vocabulary: int, tied: bool) -> None:
    model = Transformer(Shape.named(size, vocabulary, 64, tied))
    tokens = torch.randint(0, vocabulary, (4, 65), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        total, _ = model(tokens[:, :-1], tokens[:, 1:])
    assert total.item() / 256 == pytest.approx(math.log(vocabulary), abs=0.1)


def test_masked_documents_cannot_see_each_other() -> None:
    model = scrambled(SMALL)
    document = torch.tensor([[0] * 9 + [1] * 15])
    x = torch.randn(1, 24, 32, requires_grad=True)
    for block in model.blocks:
        assert isinstance(block.attention, Attention)
    y = x
    mask = document_mask(document)
    for block in model.blocks:
        y = block(y, model.rotation, mask)
    (gradient,) = torch.autograd.grad(y[:, 9:].pow(2).sum(), x, retain_graph=True)
    assert (gradient[:, :9] == 0).all() and (gradient[:, 9:] != 0).any()
    (gradient,) = torch.autograd.grad(y[:, :9].pow(2).sum(), x)
    assert (gradient[:, 9:] == 0).all()


def test_flex_attention_mask_says_the_same_as_the_plain_one() -> None:
    from torch.nn.attention.flex_attention import create_mask

    document = torch.tensor([[0, 0, 0, 1, 1, 2], [3, 4, 4, 4, 4, 4]])
    plain = document_mask(document)
    flex = create_mask(lambda b, h, q, k: (q >= k) & (document[b, q] == document[b, k]), 2, None, 6, 6, device="cpu")
    assert (plain == flex).all()


def test_a_tensor_without_an_initial_value_is_refused() -> None:
    model = Transformer(SMALL)
    model.blocks[0].mystery = torch.nn.Parameter(torch.zeros(3))
    with pytest.raises(ValueError, match=r"blocks\.0\.mystery"):
        model.initialise(0)


def test_a_seed_fixes_the_weights_and_another_changes_them() -> None:
    a, b, c = (Transformer(SMALL, seed).state_dict() for seed in (4, 4, 5))
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not torch.equal(a["blocks.0.mlp.gate_up.weight"], c["blocks.0.mlp.gate_up.weight"])
    assert not torch.equal(a["blocks.0.mlp.gate_up.weight"], a["blocks.1.mlp.gate_up.weight"])


@pytest.mark.parametrize("size", list(SIZES)[:5])
def test_parameter_counts_are_exact_and_near_the_name(size: str) -> None:
    shape = Shape.named(size, 4096, 64)
    model = Transformer(shape)
    count = sum(p.numel() for p in model.parameters())
    assert shape.parameters() == count
    assert shape.parameters(False) == count - 4096 * shape.width * (1 if shape.tied else 2)
    named = float(size.replace("k", "e3").replace("m", "e6"))
    assert 0.85 < shape.parameters(False) / named < 1.15


@pytest.mark.parametrize("tied", [True, False])
def test_exported_model_gives_the_same_logits_in_transformers(tmp_path: Path, tied: bool) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers reads what is exported")
    model = scrambled(dataclasses.replace(SMALL, tied=tied)).eval()
    model.save_pretrained(tmp_path, eod=0)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(theirs).__name__ == "Qwen3ForCausalLM"
    tokens = torch.randint(0, 97, (3, 24))
    with torch.no_grad():
        torch.testing.assert_close(model(tokens), theirs(tokens).logits, rtol=1e-4, atol=1e-5)


def test_checkpointed_blocks_have_the_same_gradients() -> None:
    tokens = torch.randint(0, 97, (2, 25))
    gradients = []
    for checkpointing in (False, True):
        model = scrambled(SMALL)
        model.checkpointing = checkpointing
        loss, _ = model(tokens[:, :-1], tokens[:, 1:])
        gradients.append(torch.autograd.grad(loss, list(model.parameters())))
    torch.testing.assert_close(gradients[0], gradients[1])
