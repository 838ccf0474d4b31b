"""The trainer's commands: train, evaluate, sample, export. Each says its arguments and answers with an exit status."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml


class Command(NamedTuple):
    """What `python -m model` asks of a command."""

    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", help="YAML of model.config.Config, such as examples/smoke.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the config")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in the output folder")
    parser.add_argument("--sweep", metavar="FACTORS", help="learning rates to compare, as factors of the "
                        "config's or the rule's: 0.25,0.5,1,2,4; runs go to OUTPUT/<rate>")  # fmt: skip
    parser.add_argument("--points", metavar="FRACTIONS", help="schedule wsd: budgets to read off one run: 0.25,0.5,1")


def _train(args: argparse.Namespace) -> int:
    from model.config import Config, Plan
    from model.evaluate import evaluate
    from model.shards import TokenDataset
    from model.train import load_model, train, wsd_points

    changes: dict[str, Any] = {}
    for item in args.set:
        key, found, value = item.partition("=")
        if not found:
            raise ValueError(f"--set {item}: KEY=VALUE is wanted")
        changes[key] = yaml.safe_load(value)
    config = Config.read(args.config, **changes)
    if args.sweep:
        base = Plan(config, TokenDataset(config.data), 1).learning_rate
        rates = [base * float(f) for f in args.sweep.split(",")]
        configs = [config.model_copy(update={"learning_rate": r, "output": f"{config.output}/{r:.2e}"}) for r in rates]
        results = [train(c, resume=args.resume) for c in configs]
    elif args.points:
        results = wsd_points(config, [float(f) for f in args.points.split(",")])
    else:
        results = [train(config, resume=args.resume)]
    data = TokenDataset(config.data)
    for result in results:
        line: dict[str, Any] = {"output": result.output, "learning_rate": result.learning_rate, "tokens": result.tokens,
                                "loss": result.loss, "tokens_per_second": result.tokens / result.seconds}  # fmt: skip
        if data.description.splits.get("validation"):
            evaluation = evaluate(load_model(result.output)[0], data)
            evaluation.write(Path(result.output))
            line["bits_per_byte"] = evaluation.bits_per_byte
        print(json.dumps(line))
    return 0


def _opened(model_path: str, data_path: str | None = None) -> tuple[Any, Any]:
    """A trained model and the shards it goes with: its own, or others of the same tokenizer."""
    from model.evaluate import check_tokenizer
    from model.shards import TokenDataset
    from model.train import load_model

    model, identity = load_model(model_path)
    data = TokenDataset(data_path or identity["config"]["data"])
    check_tokenizer(identity, data)
    return model, data


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a run's folder, or a checkpoint")
    parser.add_argument("--data", help="tokens/ folder; default: the one the model was trained on")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--max-documents", type=int, help="of each domain")
    parser.add_argument("--task", action="append", default=[], type=Path, help="a local task in lm-eval's YAML")
    parser.add_argument("--duplicates", type=Path, help="Parquet with id and size: probe memorisation by cluster size")
    parser.add_argument("--output", type=Path, help="folder for evaluation.json and evaluation.parquet")


def _evaluate(args: argparse.Namespace) -> int:
    import pyarrow.parquet as pq
    from tokenizers import Tokenizer

    from model.evaluate import evaluate, evaluate_task, memorisation

    model, data = _opened(args.model, args.data)
    evaluation = evaluate(model, data, args.split, args.max_documents)
    summary = evaluation.summary()
    if args.task:
        tokenizer = Tokenizer.from_str(data.tokenizer.decode())
        summary["tasks"] = [evaluate_task(model, tokenizer, path, data.description.eod) for path in args.task]
    if args.duplicates:
        table = pq.read_table(args.duplicates, columns=["id", "size"])
        sizes = dict(zip(table["id"].to_pylist(), table["size"].to_pylist(), strict=True))
        summary["memorisation"] = memorisation(model, data, sizes)
    if args.output:
        evaluation.write(args.output)
    print(json.dumps(summary, indent=2))
    return 0


def _sample_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a run's folder, or a checkpoint")
    parser.add_argument("--prompt", default="", help="empty: the beginning of a document")
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--top-k", type=int, default=0)
    parser.add_argument("--top-p", type=float, default=0.95)
    parser.add_argument("--seed", type=int, default=0)


def _sample(args: argparse.Namespace) -> int:
    from tokenizers import Tokenizer

    from model.sample import generate, stream

    model, data = _opened(args.model)
    tokenizer, eod = Tokenizer.from_str(data.tokenizer.decode()), data.description.eod
    prompt = [eod, *tokenizer.encode(args.prompt, add_special_tokens=False).ids]
    tokens = generate(model, prompt, args.max_tokens, args.temperature, args.top_k, args.top_p, args.seed, eod)
    for piece in stream(tokens, tokenizer):
        print(piece, end="", flush=True)
    print()
    return 0


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a run's folder, or a checkpoint")
    parser.add_argument("folder", type=Path, help="written as transformers reads it (Qwen3ForCausalLM)")


def _export(args: argparse.Namespace) -> int:
    model, data = _opened(args.model)
    model.save_pretrained(args.folder, data.tokenizer, data.description.eod)
    print(f"{args.folder}: lm-eval --model hf --model_args pretrained={args.folder} --tasks …")
    return 0


def _answered(name: str, run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Turn the trainer's errors into an exit status: 1 the run failed, 2 the command or config was wrong."""

    def answer(args: argparse.Namespace) -> int:
        from model.checkpoint import CheckpointError
        from model.shards import DataError
        from model.train import DivergedError

        try:
            return run(args)
        except (DataError, CheckpointError, DivergedError) as error:
            print(f"model {name}: {error}", file=sys.stderr)
            return 1
        except ValueError as error:
            print(f"model {name}: {error}", file=sys.stderr)
            return 2

    return answer


train = Command(_train_arguments, _answered("train", _train))
evaluate = Command(_evaluate_arguments, _answered("evaluate", _evaluate))
sample = Command(_sample_arguments, _answered("sample", _sample))
export = Command(_export_arguments, _answered("export", _export))
