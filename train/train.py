#!/usr/bin/env python3
"""Trains the small SambaY by a recipe: train.py --recipe recipe.json --tokenizer DIR --out DIR [--stage NAME]

A recipe is a list of stages. Each ends in OUT/NAME/model.safetensors (bf16, Hugging Face names), from which the next one starts with a
fresh optimizer; finished stages are skipped, so that the same command goes on where a run was cut off. Progress goes to
OUT/log.jsonl and to the terminal.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one batch per core, each on one thread

import argparse
import json
import math
import multiprocessing
import queue
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from chat import ChatTokenizer
from checkpoint import load_weights, save_weights
from feeder import Settings, check_families, examples, feed
from ops import Layout, NativeOps
from sambay import Batch, Shape, forward, initial_weights, is_matrix

WARM_UP_STEPS = 40
AVERAGED_STEPS = 100  # about as many last steps are averaged into the weights that are examined and saved
DIVERGED = 4.0  # times the stage's first losses, on average over the last steps; after a stage that ended at rate 0, a new rate costs up to twice


@dataclass
class Stage:
    """One line of the recipe. Rates fall in a straight line from rate to final_rate; families maps names to weights."""

    name: str
    tokens: int
    rate: float
    final_rate: float
    seed: int
    families: dict[str, float]
    batch_tokens: int = 16384
    adam_share: float = 0.4  # Adam's rate as a share of Muon's
    decay: float = 0.1  # weight decay of Muon's matrices, times the rate

    def __post_init__(self):
        if not 0 < self.tokens:
            raise ValueError(f"stage '{self.name}': tokens is positive, not {self.tokens}")
        if not 0 <= self.final_rate <= self.rate <= 1:
            raise ValueError(f"stage '{self.name}': 0 <= final_rate <= rate <= 1 does not hold for {self.final_rate}, {self.rate}")
        if not 512 <= self.batch_tokens:
            raise ValueError(f"stage '{self.name}': batch_tokens is at least 512, not {self.batch_tokens}")
        if any(weight < 0 for weight in self.families.values()) or not sum(self.families.values()):
            raise ValueError(f"stage '{self.name}': family weights are not negative and not all 0")


class Diverged(RuntimeError):
    pass


def pack(sequences: list[tuple[list[int], list[bool]]]) -> Batch:
    """Sequences side by side in one batch; a row asks when its next token is to be learned."""
    ids, asking, targets, positions = [], [], [], []
    starts, q_starts = [0], [0]
    for tokens, learn in sequences:
        for t in range(len(tokens) - 1):
            if learn[t + 1]:
                asking.append(len(ids) + t)
                targets.append(tokens[t + 1])
                positions.append(t)
        ids += tokens[:-1]  # the last token has nothing to predict
        starts.append(len(ids))
        q_starts.append(len(asking))
    int32 = lambda values: torch.tensor(values, dtype=torch.int32)
    every_row = torch.cat([torch.arange(b - a, dtype=torch.int32) for a, b in zip(starts, starts[1:])])
    return Batch(
        torch.tensor(ids),
        Layout(int32(starts), int32(starts), every_row),
        torch.tensor(asking),
        Layout(int32(starts), int32(q_starts), int32(positions)),
        int32(targets),
    )


class Optimizer:
    """Muon for the projection matrices, Adam for everything else. One step moves the float32 weights in place."""

    def __init__(self, weights: dict[str, torch.Tensor], shape: Shape, stage: Stage):
        self.weights, self.stage, self.steps = weights, stage, 0
        self.shape = shape
        by_shape: dict[tuple, list[str]] = {}
        for name, value in weights.items():
            if name.endswith(".weight") and is_matrix(name) and "embed" not in name and "dt_proj" not in name:
                by_shape.setdefault(tuple(value.shape), []).append(name)
        self.groups = list(by_shape.values())
        muon = {name for group in self.groups for name in group}
        self.adam = [name for name in weights if name not in muon]
        self.momentum = {name: torch.zeros_like(weights[name]) for name in muon}
        self.moments = {name: (torch.zeros_like(weights[name]), torch.zeros_like(weights[name])) for name in self.adam}

    def step(self, gradients: dict[str, torch.Tensor], rate: float, pool: ThreadPoolExecutor) -> None:
        self.steps += 1
        work = [pool.submit(self._muon, group, gradients, rate) for group in self.groups]
        self._adam(gradients, rate * self.stage.adam_share)
        for each in work:
            each.result()

    def _muon(self, group: list[str], gradients, rate: float) -> None:
        updates = []
        for name in group:
            momentum = self.momentum[name].mul_(0.95).add_(gradients[name])
            updates.append(gradients[name] + 0.95 * momentum)
        updates = torch.stack(updates)
        # Queries, keys and values are three matrices in one: each is made orthogonal by itself.
        for rows in self._blocks(group[0], updates.shape[1]):
            part = orthogonal(updates[:, rows])
            step = rate * max(1, part.shape[1] / part.shape[2]) ** 0.5
            for name, update in zip(group, part):
                weight = self.weights[name][rows]
                weight.mul_(1 - rate * self.stage.decay).sub_(update.float(), alpha=step)

    def _blocks(self, name: str, rows: int) -> list[slice]:
        """The row blocks of a matrix that are updated apart."""
        d = self.shape.hidden_size
        if not name.endswith("Wqkv.weight") or rows == d:
            return [slice(0, rows)]
        keys_end = d + (rows - d) // 2
        return [slice(0, d), slice(d, keys_end), slice(keys_end, rows)]

    def _adam(self, gradients, rate: float, beta1=0.9, beta2=0.95, epsilon=1e-8) -> None:
        for name in self.adam:
            first, second = self.moments[name]
            first.lerp_(gradients[name], 1 - beta1)
            second.lerp_(gradients[name] ** 2, 1 - beta2)
            mean, square = first / (1 - beta1**self.steps), second / (1 - beta2**self.steps)
            self.weights[name].addcdiv_(mean, square.sqrt().add_(epsilon), value=-rate)


def orthogonal(x: torch.Tensor) -> torch.Tensor:
    """The nearest (semi-)orthogonal matrices to x [n, rows, columns], roughly: five Newton-Schulz steps of Muon's polynomial in bf16."""
    tall = x.shape[1] > x.shape[2]
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    x = (x.transpose(1, 2) if tall else x).bfloat16()
    for _ in range(5):
        gram = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.transpose(1, 2) if tall else x


class Trainer:
    """The weights, and what a step does to them with batches spread over threads."""

    def __init__(self, shape: Shape, weights: dict[str, torch.Tensor], threads: int, ops, device: str = "cpu"):
        self.shape, self.ops, self.device, self.threads = shape, ops, device, threads
        self.microbatch = 4096 if device == "cpu" else 65536  # tokens: what a core's caches like, and what fills a GPU
        self.start_from(weights)
        self.pool = ThreadPoolExecutor(threads)

    def start_from(self, weights: dict[str, torch.Tensor]) -> None:
        self.weights = {name: value.to(self.device) for name, value in weights.items()}
        self.average = {name: value.clone() for name, value in self.weights.items()}

    def keep_average(self, step: int) -> None:
        """Moves the average towards the weights: it has less of the noise that a high rate leaves in them."""
        share = max(1 / (step + 1), 1 / AVERAGED_STEPS)
        for name, value in self.weights.items():
            self.average[name].lerp_(value, share)

    @staticmethod
    def leaves(weights: dict[str, torch.Tensor], gradients: bool) -> dict[str, torch.Tensor]:
        """Weights as a forward pass wants them: matrices in bf16."""
        return {
            name: (value.bfloat16() if is_matrix(name) else value.clone()).requires_grad_(gradients)
            for name, value in weights.items()
        }

    def gradients(self, batches: list[Batch]) -> tuple[dict[str, torch.Tensor], float, float]:
        """Gradients (float32) of the mean loss over all targets of these batches, that loss, and the share of right tokens."""
        count = sum(len(batch.targets) for batch in batches)

        def work(mine: list[Batch]):
            leaves = self.leaves(self.weights, True)
            total = {name: torch.zeros_like(value) for name, value in self.weights.items()}
            loss_sum, right_sum = 0.0, 0
            for batch in mine:
                batch = batch.to(self.device)
                logits = forward(leaves, batch, self.shape, self.ops)
                loss, right = self.ops.cross_entropy(logits, batch.targets, 1.0 / count)
                for name, gradient in zip(leaves, torch.autograd.grad(loss, list(leaves.values()))):
                    total[name] += gradient
                loss_sum += float(loss.detach())
                right_sum += int(right.sum())
            return total, loss_sum, right_sum

        # Which thread takes which batch is fixed, and so is the order of every sum: a run can be repeated bit for bit.
        jobs = [self.pool.submit(work, batches[i :: self.threads]) for i in range(self.threads)]
        parts = [job.result() for job in jobs]
        total = parts[0][0]
        for other, _, _ in parts[1:]:
            for name in total:
                total[name] += other[name]
        return total, sum(part[1] for part in parts), sum(part[2] for part in parts) / count

    @torch.no_grad()
    def solved(self, batches: list[Batch]) -> list[bool]:
        """For each sequence, whether every token of its solution is the likeliest one: greedy decoding would write just this."""
        leaves = self.leaves(self.average, False)

        def work(batch: Batch) -> list[bool]:
            batch = batch.to(self.device)
            logits = forward(leaves, batch, self.shape, self.ops)
            right = logits.argmax(-1) == batch.targets
            bounds = batch.asking_rows.q_starts.tolist()
            return [bool(right[a:b].all()) for a, b in zip(bounds, bounds[1:])]

        return [answer for answers in self.pool.map(work, batches) for answer in answers]


def microbatches(stream, tokens: int, trainer: Trainer) -> list[Batch]:
    """Packs examples from the stream into batches of the trainer's size, `tokens` in all; at least one per thread."""
    size = min(trainer.microbatch, tokens // trainer.threads)
    batches, held, left = [], 0, tokens
    current = []
    while left > 0:
        example = next(stream)
        current.append(example)
        held += len(example[0])
        left -= len(example[0])
        if held >= size or left <= 0:
            batches.append(pack(current))
            current, held = [], 0
    return batches


def examination(trainer: Trainer, tests: dict[str, list[Batch]]) -> dict[str, float]:
    """Share of held-out problems of each family whose whole solution is right."""
    results = {}
    for family, batches in tests.items():
        answers = trainer.solved(batches)
        results[family] = round(sum(answers) / len(answers), 4)
    return results


def held_out(tokenizer: Path, families, count: int) -> dict[str, list[Batch]]:
    tests = {}
    for family in families:
        encoded = examples(tokenizer, family, count, split="test", seed=99)
        tests[family] = [pack(encoded[i : i + 25]) for i in range(0, len(encoded), 25)]
    return tests


def run_stage(stage: Stage, trainer: Trainer, tokenizer: Path, tests, log, examine_every: int) -> None:
    """Trains for one stage. Raises Diverged; the weights are then to be thrown away."""
    context = multiprocessing.get_context("spawn")
    ready = context.Queue(maxsize=8)
    feeder = context.Process(target=feed, args=(Settings(tokenizer, stage.families, stage.seed), ready), daemon=True)
    feeder.start()

    def stream():
        while True:
            if not feeder.is_alive() and ready.empty():
                raise RuntimeError("the process that makes the problems has ended; its error stands above")
            try:
                yield from ready.get(timeout=5)
            except queue.Empty:
                continue

    source = stream()
    optimizer = Optimizer(trainer.weights, trainer.shape, stage)
    done = step = examined = 0
    first_losses, recent, start = [], None, time.monotonic()
    try:
        while done < stage.tokens:
            share = done / stage.tokens
            rate = stage.rate + (stage.final_rate - stage.rate) * share
            rate *= min(1.0, (step + 1) / WARM_UP_STEPS)
            batches = microbatches(source, stage.batch_tokens, trainer)
            gradients, loss, right = trainer.gradients(batches)
            recent = loss if recent is None else 0.95 * recent + 0.05 * loss
            first_losses = (first_losses + [loss])[:10]
            if not math.isfinite(loss) or (step > 100 and recent > DIVERGED * max(first_losses)):
                raise Diverged(f"stage '{stage.name}' diverged at step {step}: loss {loss:.4g}, at its start {max(first_losses):.4g}")
            optimizer.step(gradients, rate, trainer.pool)
            trainer.keep_average(step)
            done += sum(len(batch.ids) for batch in batches)
            step += 1
            if step % 20 == 0:
                seconds = time.monotonic() - start
                log(stage=stage.name, step=step, tokens=done, loss=round(recent, 5), right=round(right, 5), rate=round(rate, 6),
                    tokens_per_second=round(done / seconds), minutes=round(seconds / 60, 2))  # fmt: skip
            if done - examined >= examine_every:
                examined = done
                log(stage=stage.name, tokens=done, solved=examination(trainer, tests))
    finally:
        feeder.terminate()
    log(stage=stage.name, tokens=done, finished=True, minutes=round((time.monotonic() - start) / 60, 2), solved=examination(trainer, tests))


def make_trainer(shape: Shape, weights, device: str, threads: int | None, kernels: Path) -> Trainer:
    if device == "cpu":
        return Trainer(shape, weights, threads or len(os.sched_getaffinity(0)), NativeOps(kernels))
    from gpu import GpuOps  # here, since it needs Triton

    return Trainer(shape, weights, threads or 1, GpuOps(), device)


def check_tokenizer(folder: Path, shape: Shape) -> None:
    size = ChatTokenizer(folder).vocab_size
    if size != shape.vocab_size:
        raise ValueError(f"the recipe's model has {shape.vocab_size} tokens, {folder}/tokenizer.json {size}")


def load_recipe(path: Path) -> tuple[Shape, int, list[Stage]]:
    """Raises ValueError that says what is wrong with the recipe."""
    recipe = json.loads(path.read_text())
    defaults = recipe.get("defaults", {})
    try:
        stages = []
        for i, entry in enumerate(recipe["stages"]):
            families = {**recipe["families"], **entry.get("families", {})}
            stages.append(Stage(**{**defaults, "seed": i + 1, **entry, "families": families}))
        return Shape(**recipe["shape"]), int(recipe["seed"]), stages
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=Path(__file__).with_name("recipe.json"))
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder with tokenizer.json")
    parser.add_argument("--out", type=Path, required=True, help="folder for the stages' checkpoints and the log")
    parser.add_argument("--stage", help="stop after this stage")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="batches at once: one per core, one on a GPU")
    parser.add_argument("--examine-every", type=int, default=4_000_000, help="tokens between two looks at the held-out problems")
    parser.add_argument("--examine-count", type=int, default=50, help="held-out problems per family at each look")
    options = parser.parse_args()
    try:
        shape, seed, stages = load_recipe(options.recipe)
        check_tokenizer(options.tokenizer, shape)
        for stage in stages:
            check_families(stage.families)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if options.stage and options.stage not in [stage.name for stage in stages]:
        parser.error(f"no stage '{options.stage}' in {options.recipe}; there are {', '.join(stage.name for stage in stages)}")
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)

    def log(**entry):
        line = json.dumps(entry)
        print(line, flush=True)
        with open(options.out / "log.jsonl", "a") as file:
            file.write(line + "\n")

    trainer = make_trainer(shape, initial_weights(shape, seed), options.device, options.threads, options.out / "kernels")
    tests = None
    for stage in stages:
        folder = options.out / stage.name
        if (folder / "model.safetensors").exists():
            try:
                trainer.start_from(load_weights(folder / "model.safetensors", shape))
            except ValueError as error:
                parser.error(f"{error}; another --out starts anew")
            log(stage=stage.name, skipped="finished before")
        else:
            if tests is None:
                tests = held_out(options.tokenizer, stage.families, options.examine_count)
            try:
                run_stage(stage, trainer, options.tokenizer, tests, log, options.examine_every)
            except Diverged as error:
                print(f"train.py: {error}; the checkpoints of the stages before it are kept", file=sys.stderr)
                return 1
            save_weights(folder / "model.safetensors", trainer.average)
            trainer.start_from(load_weights(folder / "model.safetensors", shape))  # what was saved, as a later run would
        if stage.name == options.stage:
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
