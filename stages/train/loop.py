"""The training of one row with one seed, top to bottom.

A run is a pure function of (parameters, data, code, seed): the plan of draws is made beforehand, and every step sets
torch's random state from (seed, step), so dropout and Monte Carlo noise do not depend on where a run was resumed.
Under `torchrun`, its processes share the batches of one run, and the first one writes; their number is one more
argument of that function (ranks.py says why).
"""

import hashlib
import json
import math
import platform
import subprocess
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.optim import lr_scheduler

from stages import paths
from stages.arrays import Packed, open_packed, pools, write_json
from stages.params import LARGEST_SEED, Row, Settings, UserError
from stages.progress import bar
from stages.train import engines, samples, traces
from stages.train.batches import Batches, fill_rate, label_shares, plan
from stages.train.checkpoints import Checkpoint, alone, checkpoint, code_hash
from stages.train.device import keep_freed_memory, precision, resolve
from stages.train.device import name as device_name
from stages.train.model import Predictor, build, flipper_of, normalise
from stages.train.objectives import Supervision, objective, predict, split_output
from stages.train.ranks import Ranks, ranks
from stages.train.recipes import Recipe, raw_start, recipe_of

LOG_EVERY = 10  # steps between two lines of the history
CHECKPOINT_SECONDS = 15.0
MADE = ("history.jsonl", "weights.pt", "samples.npz", "trace.npz")
"""What a training leaves beside run.json."""


def train(settings: Settings, name: str, seed: int, root: Path = paths.ROOT) -> Path:
    """Train row `name` and write runs/<row>/seed-<k>/train and record.json; resumes an interrupted run.

    Returns: the folder of the training's outs.

    Raises:
        UserError: an unknown row, a seed out of range, a tau that the recipe cannot reach, packed arrays that are
            missing or broken, a loss that is no longer finite.
    """
    check(settings, name, seed)
    row = settings.rows[name]
    packed = open_packed(paths.packed(settings.params.dataset, root))
    pp, box = pools(packed, row)
    keep_freed_memory()
    device = resolve(settings.params.device)
    run = describe(settings, name, seed, packed, pp, box)
    out = paths.train(name, seed, root)
    with ranks(device) as these:
        if these.world > settings.params.batch_size:
            raise UserError(
                f"params.yaml: batch_size is {settings.params.batch_size}; allowed with {these.world} processes: "
                f"{these.world} or more"
            )
        if not these.first:
            Trainer(packed, row, run, pp, box, device, ranks=these).fit(name)
            return out
        record = provenance(packed, device, these.world)
        how = [record[key] for key in ("code", "data", "precision")]
        key = hashlib.sha256(json.dumps([run, *how, device.type]).encode()).hexdigest()
        checkpoints, short = paths.checkpoints(root), f"{name}-{seed}"
        with alone(checkpoints, short), checkpoint(checkpoints / f"{short}-{key[:16]}") as saved:
            out.mkdir(parents=True, exist_ok=True)
            # Before what describes them, or an interrupted run would leave an earlier one's under its name.
            for made in MADE:
                (out / made).unlink(missing_ok=True)
            write_json(out / "run.json", run)
            write_json(paths.record(name, seed, root), record)
            trainer = Trainer(packed, row, run, pp, box, device, saved, these)
            trainer.fit(f"{name} seed {seed}")
            trainer.write(out)
            write_json(paths.record(name, seed, root), record | trainer.timing())
    return out


def check(settings: Settings, name: str, seed: int) -> None:
    """Refuse a row that rows.yaml lacks and a seed out of range.

    Raises:
        UserError: either.
    """
    if name not in settings.rows:
        raise UserError(f"--row {name}: no such row; rows.yaml has {', '.join(settings.order)}")
    if not 0 <= seed <= LARGEST_SEED:
        raise UserError(f"--seed {seed}: allowed: a whole number from 0 to {LARGEST_SEED}")


def describe(settings: Settings, name: str, seed: int, packed: Packed, pp: np.ndarray, box: np.ndarray) -> dict:
    """run.json: all that decides a run, and nothing else, so that equal runs have equal files."""
    row, params, profile = settings.rows[name], settings.params, settings.profile.train
    height, width = packed.train.images.shape[1:3]
    recipe = recipe_of(row)
    if row.bootstraps and recipe.bound == "tanh" and params.tau >= math.exp(recipe.smax):
        raise UserError(
            f"params.yaml: tau is {params.tau:g}; allowed for {name}, whose recipe bounds the variance: "
            f"below {math.exp(recipe.smax):.1f}, or nothing ever flips"
        )
    try:
        raw_start(recipe, params.tau if row.bootstraps else None)
    except ValueError as problem:
        raise UserError(f"rows.yaml: {name}: the variance cannot start at {problem}") from None
    chosen = {
        "batch_size": params.batch_size,
        "steps": settings.steps,
        "learning_rate": settings.learning_rate,
        "schedule": profile.schedule,
        "weight_decay": profile.weight_decay,
        "width": profile.width,
        "flip": profile.flip,
        "size": [width, height],
    }
    if row.mixes:
        chosen |= {"pp_chance": params.pp_chance, "sampler": params.sampler}
    if row.bootstraps:
        chosen |= {"tau": params.tau}
        chosen |= {"temperature": params.temperature} if row.loss == "bootstrap" else {"samples": params.samples}
    return {
        "row": name,
        "seed": seed,
        "dataset": params.dataset,
        "task": row.task,
        "classes": list(row.classes),
        "loss": row.loss,
        "recipe": row.recipe,
        "spec": row.model_dump(exclude_none=True),
        "settings": chosen,
        "resolutions": asdict(recipe),
        "counts": {"pp": len(pp), "box": len(box), "train": len(packed.train.images)},
        "parameters": sum(p.numel() for p in build(row, profile.width).parameters()),
        "label_shares": list(label_shares(packed, row, pp, box)),
        "fill_rate": list(fill_rate(packed, row, pp, recipe.fill_quantile)) if row.bootstraps else None,
    }


def provenance(packed: Packed, device: torch.device, processes: int = 1) -> dict:
    """record.json, as far as it is known when a run starts; `commit` is that of the code, not of the run's folder."""
    try:
        git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=paths.ROOT, capture_output=True, text=True, check=False)
        commit = git.stdout.strip() or None
    except FileNotFoundError:
        commit = None
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "code": code_hash(),
        "data": packed.fingerprint,
        "device": device_name(device),
        "processes": processes,
        "threads": torch.get_num_threads(),
        "precision": str(precision(device)).removeprefix("torch."),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
    }


class Trainer:
    """The state of one training: network, optimiser, schedule, history and pictures."""

    def __init__(
        self,
        packed: Packed,
        row: Row,
        run: dict,
        pp: np.ndarray,
        box: np.ndarray,
        device: torch.device,
        saved: Checkpoint | None = None,
        ranks: Ranks = Ranks(),  # noqa: B008 - frozen
        engine: str | None = None,
    ):
        """`engine`: one of engines.ENGINES, the last two on CUDA devices alone; None chooses."""
        chosen = run["settings"]
        self.row, self.recipe, self.seed, self.steps = row, recipe_of(row), run["seed"], chosen["steps"]
        self.run, self.device, self._saved, self.ranks = run, device, saved, ranks
        self.precision = precision(device)
        torch.manual_seed(self.seed)
        network = build(row, chosen["width"], chosen.get("tau"), run["label_shares"])
        network = network.to(device, memory_format=torch.channels_last)
        self.network = ranks.whole(network, device)
        self.shared = ranks.share(self.network, device)
        self.engine = engine or engines.choose(device, ranks.world, chosen["schedule"])
        self.optimiser = torch.optim.Adam(
            self.network.parameters(), chosen["learning_rate"], weight_decay=chosen["weight_decay"], fused=True
        )
        engines.prepare(self.optimiser, self.engine, device)
        self.schedule = _schedule(self.optimiser, chosen)
        flipper = flipper_of(row, chosen, run["fill_rate"])
        self.objective = objective(row, self.recipe, flipper, chosen.get("samples"), ranks.total)
        if self.engine == "compiled":
            self.shared, self.objective = engines.compiled(self.shared), engines.compiled(self.objective)
        self._step = self._learn if self.engine == "eager" else engines.Recorded(self._learn)
        self.predictor = Predictor(self.network, row, flipper, run)
        drawn = plan(
            pp,
            box,
            steps=self.steps,
            batch_size=chosen["batch_size"],
            seed=self.seed,
            pp_chance=chosen.get("pp_chance", 0),
            sampler=chosen.get("sampler", "coin"),
            pp_only=self.recipe.pp_only,
            flip=chosen["flip"],
        )
        self.batches = Batches(packed, row, pp, drawn, device, slice(ranks.rank, None, ranks.world))
        self.samples, self.trace = samples.Samples(packed, row, box), traces.Trace(packed, row, box)
        self.history: list[dict] = []
        self.iou = _RunningIoU(row, self.recipe, ranks)
        self.step, self.seconds, self.resumed = 0, 0.0, 0
        self._resume()

    def fit(self, label: str) -> None:
        """Train from the current step to the last.

        Raises:
            UserError: the loss is not finite.
        """
        saved_at, started = time.monotonic(), time.monotonic() - self.seconds
        pictures, traced = set(samples.moments(self.steps)), set(traces.moments(self.steps))
        with bar(self.steps, label, self.step, shown=self.ranks.first) as progress:
            while self.step < self.steps:
                images, labels = self.batches[self.step]
                output, terms = self.advance(images, labels)
                self.step += 1
                if self.step % LOG_EVERY == 0 or self.step == self.steps:
                    self._log(terms, self.iou.update(output, labels), progress)
                if self.step in pictures and self.ranks.first:
                    self.samples.take(self.step, self.predictor)
                if self.step in traced and self.ranks.first:
                    self.trace.take(self.step, self.predictor)
                progress.update()
                self.seconds = time.monotonic() - started
                if self._saved and time.monotonic() - saved_at > CHECKPOINT_SECONDS and self.step < self.steps:
                    self._save()
                    saved_at = time.monotonic()

    def advance(self, images: Tensor, labels: Supervision) -> tuple[Tensor, dict[str, Tensor]]:
        """One optimiser step. Returns the network's output and the loss with its terms, on the device.

        Of several processes, each returns its part: the terms of all add up to the batch's.
        """
        if not self.network.training:
            self.network.train()
        torch.manual_seed(_mix(self.seed, self.step, self.ranks.rank))
        result = self._step(images, labels)
        self.schedule.step()
        return result

    def _learn(self, images: Tensor, labels: Supervision) -> tuple[Tensor, dict[str, Tensor]]:
        """What a step does on the device."""
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            output = self.shared(normalise(images))
        loss = self.objective(output, labels)
        self.optimiser.zero_grad(set_to_none=True)
        (loss.total * self.ranks.world).backward()  # gradients are averaged over the processes, and the loss is a sum
        self.optimiser.step()
        return output.detach(), {"loss": loss.total.detach(), **loss.terms}

    def write(self, out: Path) -> None:
        """Write what MADE names into a folder that has none of it."""
        (out / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in self.history))
        torch.save({name: value.cpu() for name, value in self.network.state_dict().items()}, out / "weights.pt")
        np.savez_compressed(out / "samples.npz", **self.samples.arrays())
        np.savez_compressed(out / "trace.npz", **self.trace.arrays())

    def timing(self) -> dict:
        """What record.json learns at the end; `seconds` counts the training loop, over all its resumptions."""
        images = self.steps * self.run["settings"]["batch_size"]
        return {
            "seconds": round(self.seconds, 2),
            "images_per_second": round(images / max(self.seconds, 1e-9), 2),
            "resumed": self.resumed,
            "engine": self.engine,
        }

    def _log(self, terms: dict[str, Tensor], iou: float | None, progress) -> None:
        found = self.ranks.total(torch.stack(list(terms.values()))).tolist()
        values = {name: float(f"{value:.6g}") for name, value in zip(terms, found, strict=True)}
        if not np.isfinite(values["loss"]):
            raise UserError(
                f"{self.run['row']} seed {self.seed}: the loss is {values['loss']} at step {self.step}; "
                "allowed: a finite number (try a lower learning_rate)"
            )
        rate = float(self.optimiser.param_groups[0]["lr"])
        line = {"step": self.step, "loss": values.pop("loss"), "terms": values}
        self.history.append(line | {"iou": iou, "learning_rate": float(f"{rate:.6g}")})
        shown = "-" if iou is None else f"{iou:.1f} %"
        progress.set_postfix_str(f"loss {line['loss']:.3f}, IoU {shown}", refresh=False)

    def _save(self) -> None:
        self._saved.save(
            {
                "step": self.step,
                "seconds": self.seconds,
                "resumed": self.resumed,
                "network": self.network.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "schedule": self.schedule.state_dict(),
                "history": self.history,
                "samples": self.samples.taken,
                "trace": self.trace.taken,
                "iou": [self.iou.intersection, self.iou.union],
            }
        )

    def _resume(self) -> None:
        where = self.device if self.ranks.world == 1 else torch.device("cpu")
        state = self.ranks.told(self._saved.load(where) if self._saved else None)
        if state is None:
            return
        self.step, self.seconds, self.resumed = state["step"], state["seconds"], state["resumed"] + 1
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        engines.prepare(self.optimiser, self.engine, self.device)
        self.schedule.load_state_dict(state["schedule"])
        self.history = state["history"]
        for pictures in ("samples", "trace"):
            getattr(self, pictures).taken = {
                step: {name: value.cpu() for name, value in taken.items()} for step, taken in state[pictures].items()
            }
        self.iou.intersection, self.iou.union = state["iou"]


def _schedule(optimiser: torch.optim.Optimizer, chosen: dict) -> lr_scheduler.LRScheduler:
    steps = chosen["steps"]
    if chosen["schedule"] == "one_cycle":
        return lr_scheduler.OneCycleLR(optimiser, max_lr=chosen["learning_rate"], total_steps=steps + 1)
    if chosen["schedule"] == "polynomial":
        return lr_scheduler.PolynomialLR(optimiser, total_iters=steps, power=0.9)
    return lr_scheduler.ConstantLR(optimiser, factor=1.0)


def _mix(seed: int, step: int, rank: int) -> int:
    """One 63-bit number from three, so that no two (seed, step, rank) of a study share a random state."""
    text = f"{seed} {step} {rank}" if rank else f"{seed} {step}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class _RunningIoU:
    """The progress bar's IoU: of the foreground with the labels that training uses (masks or boxes), recent batches."""

    def __init__(self, row: Row, recipe: Recipe, ranks: Ranks):
        self.row, self.recipe, self.ranks, self.intersection, self.union = row, recipe, ranks, 0.0, 0.0

    @torch.inference_mode()
    def update(self, output: Tensor, labels: Supervision) -> float | None:
        """IoU in percent after this batch, older batches fading; None while there is no foreground."""
        mean, _ = split_output(output, self.row, self.recipe)
        predicted, target = predict(mean, self.row), labels.target
        known = (target >= 0) & (target < len(self.row.classes))
        foreground = known & ((predicted > 0) | (target > 0))
        counts = torch.stack([(foreground & (predicted == target)).sum(), foreground.sum()])
        right, either = self.ranks.total(counts).tolist()
        self.intersection = 0.8 * self.intersection + right
        self.union = 0.8 * self.union + either
        return round(100 * self.intersection / self.union, 2) if self.union else None
