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
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import torch

from chat import ChatTokenizer
from checkpoint import load_weights, not_finite, save_weights
from feeder import Packed, Settings, check_families, examples, feed, pack_rows
from generate import TooFew
from ops import Layout, NativeOps
from optimizer import Optimizer
from sambay import Batch, Shape, forward, initial_weights, is_matrix

WARM_UP_STEPS = 40
AVERAGED_STEPS = 100  # about as many last steps are averaged into the weights that are examined and saved
# How far the smoothed loss may rise above a stage's first losses. Random weights can only get better; after a stage that ended at rate 0, a new
# rate costs up to twice, and that is no divergence.
DIVERGED_FROM_RANDOM, DIVERGED_FROM_TRAINED = 1.0, 4.0


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
        """Raises ValueError for settings with which nothing can be trained."""
        if not isinstance(self.name, str) or not re.fullmatch(r"\w[\w.-]*", self.name):
            raise ValueError(f"a stage's name is a folder's: letters, digits, '.', '-' and '_', not {self.name!r}")
        numbers = {name: getattr(self, name) for name in ("tokens", "rate", "final_rate", "seed", "batch_tokens", "adam_share", "decay")}
        for name, value in {**numbers, **self.families}.items():
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
                raise ValueError(f"stage '{self.name}': {name} is a number, not {value!r}")
        if not 0 < self.tokens:
            raise ValueError(f"stage '{self.name}': tokens is positive, not {self.tokens}")
        if not 0 <= self.final_rate <= self.rate <= 1:
            raise ValueError(f"stage '{self.name}': 0 <= final_rate <= rate <= 1 does not hold for {self.final_rate}, {self.rate}")
        if not 512 <= self.batch_tokens:
            raise ValueError(f"stage '{self.name}': batch_tokens is at least 512, not {self.batch_tokens}")
        if self.adam_share <= 0 or self.decay < 0:
            raise ValueError(f"stage '{self.name}': adam_share > 0 and decay >= 0 do not hold for {self.adam_share}, {self.decay}")
        if any(weight < 0 for weight in self.families.values()) or not sum(self.families.values()):
            raise ValueError(f"stage '{self.name}': family weights are not negative and not all 0")


class Diverged(RuntimeError):
    pass


def batch_of(packed: Packed) -> Batch:
    """A feeder's arrays as the model takes them."""
    starts, q_starts, positions, asking, targets = (
        torch.from_numpy(array) for array in (packed.starts, packed.q_starts, packed.positions, packed.asking, packed.targets)
    )
    return Batch(
        torch.from_numpy(packed.ids).long(),
        Layout(starts, starts, positions),
        asking.long(),
        Layout(starts, q_starts, positions[asking.long()].contiguous()),
        targets,
    )


def pack(sequences: list[tuple[list[int], list[bool]]]) -> Batch:
    """Sequences (token ids, whether each is to be learned) side by side in one batch."""
    return batch_of(pack_rows(sequences))


class Trainer:
    """The weights, and what a step does to them with batches spread over threads."""

    def __init__(self, shape: Shape, weights: dict[str, torch.Tensor], threads: int, ops, device: str = "cpu"):
        self.shape, self.ops, self.device, self.threads = shape, ops, device, threads
        self.microbatch = 4096 if device == "cpu" else 131072  # tokens: what a core's caches like, and what fills a GPU
        self.start_from(weights)
        self.pool = ThreadPoolExecutor(threads)

    def start_from(self, weights: dict[str, torch.Tensor]) -> None:
        self.weights = {name: value.to(self.device) for name, value in weights.items()}
        self.average = {name: value.clone() for name, value in self.weights.items()}

    def keep_average(self, step: int) -> None:
        """Moves the average towards the weights: it has less of the noise that a high rate leaves in them."""
        share = max(1 / (step + 1), 1 / AVERAGED_STEPS)
        average = list(self.average.values())
        torch._foreach_mul_(average, 1 - share)
        torch._foreach_add_(average, list(self.weights.values()), alpha=share)

    @staticmethod
    def leaves(weights: dict[str, torch.Tensor], gradients: bool) -> dict[str, torch.Tensor]:
        """Weights as a forward pass wants them: matrices in bf16."""
        return {
            name: (value.bfloat16() if is_matrix(name) else value.clone()).requires_grad_(gradients)
            for name, value in weights.items()
        }

    def gradients(self, batches: list[Batch]) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
        """Gradients (float32) of the mean loss over all targets of these batches, that loss, and the share of right tokens.

        The last two are tensors on the device: to look at them is to wait for it.
        """
        count = sum(len(batch.targets) for batch in batches)

        def work(mine: list[Batch]):
            leaves = self.leaves(self.weights, True)
            total, loss_sum, right_sum = None, 0, 0
            for batch in mine:
                batch = batch.to(self.device)
                loss, right = self.ops.cross_entropy(forward(leaves, batch, self.shape, self.ops), batch.targets, 1.0 / count)
                gradients = torch.autograd.grad(loss, list(leaves.values()))
                if total is None:
                    total = [gradient.float() for gradient in gradients]
                else:
                    torch._foreach_add_(total, [gradient.float() for gradient in gradients])
                loss_sum = loss_sum + loss.detach()
                right_sum = right_sum + right.sum()
            return total, loss_sum, right_sum

        # Which thread takes which batch is fixed, and so is the order of every sum: a run can be repeated bit for bit.
        shares = [batches[i :: self.threads] for i in range(self.threads)]
        jobs = [self.pool.submit(work, mine) for mine in shares if mine]
        parts = [job.result() for job in jobs]
        total = parts[0][0]
        for other, _, _ in parts[1:]:
            torch._foreach_add_(total, other)
        return dict(zip(self.weights, total)), sum(part[1] for part in parts), sum(part[2] for part in parts) / count

    @torch.no_grad()
    def solved(self, batches: list[Batch]) -> list[bool]:
        """For each sequence, whether every token of its solution is the likeliest one: greedy decoding would write just this."""
        leaves = self.leaves(self.average, False)

        def work(batch: Batch) -> list[bool]:
            bounds = batch.asking_rows.q_starts.tolist()
            batch = batch.to(self.device)
            logits = forward(leaves, batch, self.shape, self.ops)
            right = (logits.argmax(-1) == batch.targets).cpu()
            return [bool(right[a:b].all()) for a, b in zip(bounds, bounds[1:])]

        return [answer for answers in self.pool.map(work, batches) for answer in answers]


def examination(trainer: Trainer, tests: dict[str, list[Batch]]) -> dict[str, float]:
    """Share of held-out problems of each family whose whole solution is right."""
    results = {}
    for family, batches in tests.items():
        answers = trainer.solved(batches)
        results[family] = round(sum(answers) / len(answers), 4)
    return results


class Feeders:
    """Processes that make batches, taken from in turn: the order does not depend on which of them is fast."""

    def __init__(self, stage: Stage, tokenizer: Path, batch_tokens: int, count: int):
        context = multiprocessing.get_context("spawn")
        self.queues = [context.Queue(maxsize=4) for _ in range(count)]
        self.processes = []
        for k, ready in enumerate(self.queues):
            settings = Settings(tokenizer, stage.families, stage.seed + 1000 * k, batch_tokens)
            self.processes.append(context.Process(target=feed, args=(settings, ready), daemon=True))
            self.processes[-1].start()

    def batches(self):
        while True:
            for process, ready in zip(self.processes, self.queues):
                yield batch_of(self._next(process, ready))

    @staticmethod
    def _next(process, ready) -> Packed:
        while True:
            try:
                return ready.get(timeout=5)
            except queue.Empty:
                if not process.is_alive():
                    raise RuntimeError("a process that makes the problems has ended; its error stands above") from None

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()


class Progress:
    """A stage's losses: smoothed, and held against its first ones. They are looked at seldom, since looking means waiting for a GPU."""

    def __init__(self, stage: Stage, from_random: bool):
        self.stage, self.first, self.recent = stage, [], None
        self.allowed = DIVERGED_FROM_RANDOM if from_random else DIVERGED_FROM_TRAINED

    def add(self, loss: torch.Tensor) -> None:
        self.recent = loss if self.recent is None else 0.95 * self.recent + 0.05 * loss
        if len(self.first) < 10:
            self.first.append(loss)

    def checked(self, step: int) -> float:
        """The smoothed loss. Raises Diverged."""
        recent, most = float(self.recent), max(float(loss) for loss in self.first)
        if not math.isfinite(recent) or (step > 100 and recent > self.allowed * most):
            raise Diverged(f"stage '{self.stage.name}' diverged before step {step}: loss {recent:.4g}, at its start {most:.4g}")
        return recent

    def checked_weights(self, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """These weights, if they can be saved. Raises Diverged."""
        if bad := not_finite(weights):
            raise Diverged(f"stage '{self.stage.name}' diverged: {bad} holds NaN or infinity")
        return weights


def rate_at(stage: Stage, done: int, step: int) -> float:
    falling = stage.rate + (stage.final_rate - stage.rate) * done / stage.tokens
    return falling * min(1.0, (step + 1) / WARM_UP_STEPS)


@dataclass
class Run:
    """What all stages of a run share."""

    trainer: Trainer
    tokenizer: Path
    digest: str  # of the tokenizer
    out: Path
    log: Callable[..., None]
    examine_every: int  # tokens
    examine_count: int  # problems per family
    feeders: int
    from_random: bool  # whether the weights have not been trained yet
    tests: dict[str, list[Batch]] = field(default_factory=dict)  # a family's held-out problems, once a stage has asked for them


def held_out(families, run: Run) -> dict[str, list[Batch]]:
    """Test problems of these families. Raises TooFew."""
    at_once = 25 if run.trainer.device == "cpu" else 500  # to a batch
    for family in families:
        if family not in run.tests:
            encoded = examples(run.tokenizer, family, run.examine_count, split="test", seed=99)
            run.tests[family] = [pack(encoded[i : i + at_once]) for i in range(0, len(encoded), at_once)]
    return {family: run.tests[family] for family in families}


def run_stage(stage: Stage, run: Run, so_far: Path) -> None:
    """Trains for one stage, and keeps in `so_far` what was last examined. Raises Diverged; the weights are then to be thrown away."""
    trainer, tests = run.trainer, held_out(stage.families, run)
    feeders = Feeders(stage, run.tokenizer, min(trainer.microbatch, stage.batch_tokens // trainer.threads), run.feeders)
    source = feeders.batches()
    optimizer = Optimizer(trainer.weights, trainer.shape, stage.adam_share, stage.decay)
    progress = Progress(stage, run.from_random)
    done = step = examined = 0
    start = time.monotonic()
    minutes = lambda: round((time.monotonic() - start) / 60, 2)
    try:
        while done < stage.tokens:
            batches, tokens = [], 0
            while tokens < stage.batch_tokens:
                batches.append(next(source))
                tokens += len(batches[-1].ids)
            gradients, loss, right = trainer.gradients(batches)
            progress.add(loss)
            optimizer.step(gradients, rate_at(stage, done, step), trainer.pool)
            trainer.keep_average(step)
            done += tokens
            step += 1
            if step % 20 == 0:
                run.log(stage=stage.name, step=step, tokens=done, loss=round(progress.checked(step), 5), right=round(float(right), 5),
                        rate=round(rate_at(stage, done, step), 6), tokens_per_second=round(done / (time.monotonic() - start)), minutes=minutes())  # fmt: skip
            if done - examined >= run.examine_every:
                examined = done
                save_weights(so_far, progress.checked_weights(trainer.average), run.digest)
                run.log(stage=stage.name, tokens=done, solved=examination(trainer, tests))
        progress.checked(step)
        progress.checked_weights(trainer.average)
    finally:
        feeders.stop()
    run.log(stage=stage.name, tokens=done, finished=True, minutes=minutes(), solved=examination(trainer, tests))


def finish_stage(stage: Stage, run: Run) -> None:
    """Takes the stage's checkpoint, or trains until there is one. Raises Diverged, ValueError for a checkpoint of another kind."""
    checkpoint = run.out / stage.name / "model.safetensors"
    if checkpoint.exists():
        run.log(stage=stage.name, skipped="finished before")
    else:
        so_far = checkpoint.with_name("so-far.safetensors")  # to look at, and of use where a machine is lent by the minute
        try:
            run_stage(stage, run, so_far)
        except Diverged:
            so_far.unlink(missing_ok=True)
            raise
        save_weights(checkpoint, run.trainer.average, run.digest)
        so_far.unlink(missing_ok=True)
    run.trainer.start_from(load_weights(checkpoint, run.trainer.shape, run.digest))  # what was saved, as a later run would
    run.from_random = False


def make_trainer(shape: Shape, weights, device: str, threads: int, kernels: Path) -> Trainer:
    if device == "cpu":
        return Trainer(shape, weights, threads, NativeOps(kernels))
    from gpu import GpuOps  # here, since it needs Triton

    return Trainer(shape, weights, threads, GpuOps(), device)


def tokenizer_digest(folder: Path, shape: Shape) -> str:
    """Which tokenizer it is. Raises ValueError when it is not one of the recipe's size."""
    tokenizer = ChatTokenizer(folder)
    if tokenizer.vocab_size != shape.vocab_size:
        raise ValueError(f"the recipe's model has {shape.vocab_size} tokens, {folder}/tokenizer.json {tokenizer.vocab_size}")
    return tokenizer.digest


def load_recipe(path: Path) -> tuple[Shape, int, list[Stage]]:
    """The model's shape, the seed of its first weights, the stages. Raises ValueError that says what is wrong with the recipe."""
    recipe = json.loads(path.read_text())
    if not isinstance(recipe, dict):
        raise ValueError(f"{path}: a recipe is an object, not {type(recipe).__name__}")
    defaults = recipe.get("defaults", {})
    try:
        stages = []
        for i, entry in enumerate(recipe["stages"]):
            families = {**recipe["families"], **entry.get("families", {})}
            stages.append(Stage(**{**defaults, "seed": i + 1, **entry, "families": families}))
        shape, seed = Shape(**recipe["shape"]), int(recipe["seed"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: {error}") from error
    names = [stage.name for stage in stages]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"{path}: a recipe has stages, each of another name, not {names}")
    return shape, seed, stages


def parse_options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    parser.add_argument("--recipe", type=Path, default=Path(__file__).with_name("recipe.json"))
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder with tokenizer.json")
    parser.add_argument("--out", type=Path, required=True, help="folder for the stages' checkpoints and the log")
    parser.add_argument("--stage", help="stop after this stage")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="batches at once: one per core, one on a GPU")
    parser.add_argument("--feeders", type=int, help="processes that make problems: one, or all cores but two beside a GPU; changes their order")
    parser.add_argument("--start", type=Path, help="weights (safetensors) to start from instead of random ones")
    parser.add_argument("--examine-every", type=int, default=4_000_000, help="tokens between two looks at the held-out problems")
    parser.add_argument("--examine-count", type=int, default=50, help="held-out problems per family at each look")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    if options.feeders is None:
        options.feeders = 1 if options.device == "cpu" else max(1, cores - 2)
    if options.threads is None:
        options.threads = cores if options.device == "cpu" else 1
    for name in ("feeders", "threads", "examine_every", "examine_count"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')} is at least 1, not {getattr(options, name)}")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch sees no CUDA device here")
    return options


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options = parse_options(parser)
    try:
        shape, seed, stages = load_recipe(options.recipe)
        digest = tokenizer_digest(options.tokenizer, shape)
        for stage in stages:
            check_families(stage.families)
        weights = load_weights(options.start, shape, digest) if options.start else initial_weights(shape, seed)
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

    trainer = make_trainer(shape, weights, options.device, options.threads, options.out / "kernels")
    every, count = options.examine_every, options.examine_count
    run = Run(trainer, options.tokenizer, digest, options.out, log, every, count, options.feeders, from_random=not options.start)
    for stage in stages:
        try:
            finish_stage(stage, run)
        except Diverged as error:
            print(f"train.py: {error}; the checkpoints of the stages before it are kept", file=sys.stderr)
            return 1
        except TooFew as error:
            parser.error(f"{error}; --examine-count asks for them")
        except ValueError as error:
            parser.error(f"{error}; another --out starts anew")
        if stage.name == options.stage:
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
