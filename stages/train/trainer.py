"""One training in progress: its network, optimiser, schedule and draws, step by step.

Every step seeds torch with (seed, step), so dropout and Monte Carlo noise do not depend on where a run was resumed.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler
from tqdm import tqdm

from stages.arrays import Packed
from stages.device import precision
from stages.errors import NotFinite, of_system, writing
from stages.model.erfnet import ERFNet
from stages.model.hyperparameters import Hyperparameters
from stages.model.network import build, normalise
from stages.model.objectives import ListPixels, Supervision, list_pixels, objective, predict, split_output
from stages.model.predictor import Predictor, flipper_of, teach
from stages.progress import bar
from stages.train import cuda_graph, snapshots, traces
from stages.train.batches import Batches, plan
from stages.train.checkpoints import Checkpoint, write_state
from stages.train.distributed import Ranks
from stages.train.encoder import pretrain
from stages.train.teacher import Teacher
from stages.train.watch import Watch

MOMENTUM = 0.9
LOG_EVERY = 10  # steps between two lines of the history
CHECKPOINT_SECONDS = 15.0


@dataclass(frozen=True)
class Job:
    """Everything that one training depends on: its hyperparameters, seed and data.

    Attributes:
        chosen: The row's hyperparameters.
        seed: Of the training.
        packed: The data.
        pp: (N,) int64, the training indices drawn as pixel-perfect images.
        box: (M,) int64, the training indices drawn as box images.
        label_shares: (C,) of each class in the row's labels, see `batches.label_shares`.
        fill_rate: (C,) of each class, see `batches.fill_rate`; None for rows that change no label.
        fill_range: Of the first class, see `batches.fill_range`; None for rows that do not read it.
        proposals: (N, H, W) uint8, labels of all training images inside their boxes; None for those of the boxes.
        start: The network's first weights, of an earlier round; None for new ones.
        seconds: What earlier rounds took.
        earlier_steps: How many steps they had.
    """

    chosen: Hyperparameters
    seed: int
    packed: Packed
    pp: np.ndarray
    box: np.ndarray
    label_shares: tuple[float, ...]
    fill_rate: tuple[float, ...] | None
    fill_range: tuple[float, float] | None
    proposals: np.ndarray | None = None
    start: Mapping[str, Tensor] | None = None
    seconds: float = 0.0
    earlier_steps: int = 0

    def record(self) -> dict[str, Any]:
        """Return the content of run.json: what decides a run and nothing else, so that equal runs have equal files."""
        with torch.device("meta"):  # counts parameters without making them
            parameters = sum(p.numel() for p in build(self.chosen).parameters())
        return {
            **self.chosen.record(),
            "seed": self.seed,
            "counts": {"pp": len(self.pp), "box": len(self.box), "train": len(self.packed.train.images)},
            "parameters": parameters,
            "label_shares": list(self.label_shares),
            "fill_rate": None if self.fill_rate is None else list(self.fill_rate),
            "fill_range": None if self.fill_range is None else list(self.fill_range),
            "proposals": None if self.proposals is None else hashlib.sha256(self.proposals.data).hexdigest(),
        }


class Trainer:
    """The state of one training: network, teacher, optimiser, schedule, history, snapshots and trace."""

    def __init__(
        self,
        job: Job,
        device: torch.device,
        checkpoint: Checkpoint | None = None,
        ranks: Ranks = Ranks(),  # noqa: B008 - frozen
        engine: str | None = None,
    ):
        """Build a training at its first step, or at the step of its checkpoint.

        Args:
            job: What to train.
            device: Where to train it.
            checkpoint: Where the state is saved and resumed from; None saves none.
            ranks: This process's place among those that share the training.
            engine: One of cuda_graph.ENGINES, the last two for CUDA devices alone; None chooses.
        """
        chosen, row = job.chosen, job.chosen.row
        self.chosen, self.seed, self.steps = chosen, job.seed, chosen.steps
        self.device, self._checkpoint, self.ranks = device, checkpoint, ranks
        self.precision = precision(device)
        torch.manual_seed(self.seed)
        network = build(chosen, job.label_shares)
        if job.start is not None:
            network.load_state_dict(job.start)
        network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = ranks.convert_sync_batchnorm(network, device)
        self.wrapped: Callable[..., Tensor] = ranks.wrap_ddp(self.network, device)
        self.teacher = Teacher(self.network, chosen.recipe.teacher_decay) if chosen.recipe.teacher_decay else None
        self.engine = engine or cuda_graph.choose_engine(device, ranks.world, chosen.schedule)
        self.optimiser = _optimiser(self.network, chosen)
        cuda_graph.prepare_optimiser(self.optimiser, self.engine, device)
        self.schedule = _schedule(self.optimiser, chosen)
        drawn = plan(
            job.pp,
            job.box,
            steps=self.steps,
            batch_size=chosen.batch_size,
            seed=self.seed,
            pp_chance=chosen.pp_chance or 0.0,
            sampler=chosen.sampler or "coin",
            warmup_share=chosen.recipe.warmup_share,
            horizontal_flip=chosen.horizontal_flip,
        ).of_rank(ranks.rank, ranks.world)
        lister: ListPixels = list_pixels
        if device.type == "cuda":
            lister = cuda_graph.padded_list(cuda_graph.max_box_pixels(job.packed, row, drawn))
        flipper = flipper_of(chosen, job.fill_rate, job.fill_range)
        self.objective = objective(chosen, flipper, ranks.all_reduce_sum, lister)
        if self.engine == "compiled":
            self.wrapped, self.objective = cuda_graph.compiled(self.wrapped), cuda_graph.compiled(self.objective)
        self._run_step: cuda_graph.Step = self._device_step
        if self.engine != "eager":
            self._run_step = cuda_graph.GraphedStep(self._device_step)
        self.predictor = Predictor(
            self.network, chosen, flipper, teacher=self.teacher.network if self.teacher else None
        )
        self.batches = Batches(job.packed, row, job.pp, drawn, device, job.proposals)
        self.snapshots = snapshots.Snapshots(job.packed, row, job.box)
        self.trace = traces.Trace(job.packed, row, job.box, job.proposals)
        self.watch = Watch(job.packed, chosen)
        self.history: list[dict[str, Any]] = []
        self.iou = _RunningIoU(chosen, ranks)
        self.step, self.seconds, self.resumed, self._earlier_steps = 0, job.seconds, 0, job.earlier_steps
        self._warned = False  # that a checkpoint could not be written
        self._resume()
        if self.step == 0 and chosen.encoder_steps:
            pretrain(cast(ERFNet, self.network), chosen, job.packed, job.pp, self.seed, device)
            if self.teacher:
                self.teacher.network.load_state_dict(self.network.state_dict())

    def fit(self, label: str, shown: bool = True) -> None:
        """Train from the current step to the last.

        Args:
            label: Shown beside the progress bar.
            shown: Whether there is a progress bar.

        Raises:
            NotFinite: The loss is not finite.
        """
        chosen = self.chosen
        saved_at, started = time.monotonic(), time.monotonic() - self.seconds
        snapshot_steps, trace_steps = set(snapshots.moments(self.steps)), set(traces.moments(self.steps))
        with bar(self.steps, label, self.step, shown=shown and self.ranks.first) as progress:
            while self.step < self.steps:
                images, labels = self.batches[self.step]
                output, terms = self.advance(images, labels)
                self.step += 1
                if self.step % LOG_EVERY == 0 or self.step == self.steps:
                    self._log(terms, self.iou.update(output, labels), progress)
                if chosen.watch_every and self.ranks.first and self.step % chosen.watch_every == 0:
                    self.history[-1]["held_out_iou"] = self.watch.iou(self.predictor)
                if self.step in snapshot_steps and self.ranks.first:
                    self.snapshots.take(self.step, self.predictor)
                if self.step in trace_steps and self.ranks.first:
                    self.trace.take(self.step, self.predictor)
                progress.update()
                self.seconds = time.monotonic() - started
                if self._checkpoint and time.monotonic() - saved_at > CHECKPOINT_SECONDS and self.step < self.steps:
                    self.save()
                    saved_at = time.monotonic()

    def save(self) -> None:
        """Write the checkpoint, from which another process goes on; do nothing without one.

        Where it cannot be written, say so once, and train on: what is lost if this is interrupted is time.
        """
        if self._checkpoint:
            try:
                self._checkpoint.save(self._state())
            except OSError as error:
                if not self._warned:
                    tqdm.write(f"note: no checkpoint of step {self.step}, training goes on without: {of_system(error)}")
                self._warned = True

    def advance(self, images: Tensor, labels: Supervision) -> tuple[Tensor, dict[str, Tensor]]:
        """Take one optimiser step.

        Args:
            images: (N, H, W, 3) uint8, this process's part of the batch.
            labels: Of these images.

        Returns:
            output: (N, channels, H, W), of the network before the step, on the device.
            terms: Scalars on the device: `loss`, and see `Loss.terms`; those of all processes add up to the batch's.
        """
        if not self.network.training:
            self.network.train()
        torch.manual_seed(_step_seed(self.seed, self.step, self.ranks.rank))
        result = self._run_step(images, labels)
        self.schedule.step()
        return result

    def _device_step(self, images: Tensor, labels: Supervision) -> tuple[Tensor, dict[str, Tensor]]:
        """Do the part of a step that runs on the device: forward, loss, backward, optimiser."""
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            seen = () if labels.label_maps is None else (labels.label_maps,)
            output = self.wrapped(normalise(images), *seen)
            taught = self._taught(images, labels)
        loss = self.objective(output, labels, taught)
        self.optimiser.zero_grad(set_to_none=True)
        (loss.total * self.ranks.world).backward()  # gradients are averaged over the processes, and the loss is a sum
        self.optimiser.step()
        if self.teacher:
            self.teacher.follow(self.network)
        return output.detach(), {"loss": loss.total.detach(), **loss.terms}

    def _taught(self, images: Tensor, labels: Supervision) -> Tensor | None:
        """Return the teacher's output, where there is one and a label may flip: in a captured graph, always."""
        if self.teacher is None or (self.engine == "eager" and bool(labels.pixel_perfect.all())):
            return None
        return teach(self.teacher.network, normalise(images), labels.label_maps)

    def write(self, out: Path) -> None:
        """Write OUTPUT_FILES into the folder `out`, which has none of them."""
        with writing(out / "history.jsonl"):
            (out / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in self.history))
        weights = {name: value.cpu() for name, value in self.network.state_dict().items()}
        write_state(out / "weights.pt", weights)
        if self.teacher:
            followed = self.teacher.network.state_dict()
            write_state(out / "teacher.pt", {name: value.cpu() for name, value in followed.items()})
        for name, arrays in (("snapshots", self.snapshots.arrays()), ("trace", self.trace.arrays())):
            with writing(out / f"{name}.npz"):
                np.savez_compressed(out / f"{name}.npz", **arrays)  # type: ignore[arg-type]

    def timing(self) -> dict[str, Any]:
        """Return the part of record.json that is known at the end; `seconds` are the loop's, over all resumptions."""
        images = (self._earlier_steps + self.steps) * self.chosen.batch_size
        return {
            "seconds": round(self.seconds, 2),
            "images_per_second": round(images / max(self.seconds, 1e-9), 2),
            "resumed": self.resumed,
            "engine": self.engine,
        }

    def _log(self, terms: dict[str, Tensor], iou: float | None, progress: tqdm) -> None:
        found = self.ranks.all_reduce_sum(torch.stack(list(terms.values()))).tolist()
        values = {name: float(f"{value:.6g}") for name, value in zip(terms, found, strict=True)}
        if not np.isfinite(values["loss"]):
            raise NotFinite(f"{self.chosen.name} seed {self.seed}", values["loss"], self.step)
        rate = float(self.optimiser.param_groups[0]["lr"])
        loss = values.pop("loss")
        line = {"step": self.step, "loss": loss, "terms": values}
        self.history.append(line | {"iou": iou, "learning_rate": float(f"{rate:.6g}")})
        progress.set_postfix_str(f"loss {loss:.3f}, IoU {'-' if iou is None else f'{iou:.1f} %'}", refresh=False)

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "seconds": self.seconds,
            "resumed": self.resumed,
            "network": self.network.state_dict(),
            "teacher": self.teacher.network.state_dict() if self.teacher else None,
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": self.history,
            "snapshots": self.snapshots.taken,
            "trace": self.trace.taken,
            "iou": [self.iou.intersection, self.iou.union],
        }

    def _fits(self, state: Any) -> bool:
        """Return whether a checkpoint is one of this training, and not of another network or an older version."""
        own = self._state()
        if not isinstance(state, dict) or set(state) != set(own):
            return False
        networks = [key for key in ("network", "teacher") if own[key] is not None]
        same = all(state[key] is not None and _shapes(state[key]) == _shapes(own[key]) for key in networks)
        return same and isinstance(state["step"], int) and 0 <= state["step"] <= self.steps

    def _resume(self) -> None:
        where = self.device if self.ranks.world == 1 else torch.device("cpu")
        state = self.ranks.broadcast(self._checkpoint.load(where) if self._checkpoint else None)
        if state is None or not self._fits(state):
            return
        self.step, self.seconds, self.resumed = state["step"], state["seconds"], state["resumed"]
        self.resumed += self.step < self.steps  # else it was trained ahead, see ahead.py
        self.network.load_state_dict(state["network"])
        if self.teacher:
            self.teacher.network.load_state_dict(state["teacher"])
        self.optimiser.load_state_dict(state["optimiser"])
        cuda_graph.prepare_optimiser(self.optimiser, self.engine, self.device)
        self.schedule.load_state_dict(state["schedule"])
        self.history = state["history"]
        self.snapshots.taken, self.trace.taken = (
            {step: {name: value.cpu() for name, value in taken.items()} for step, taken in state[key].items()}
            for key in ("snapshots", "trace")
        )
        self.iou.intersection, self.iou.union = state["iou"]


def _shapes(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: getattr(value, "shape", None) for name, value in state.items()}


def _optimiser(network: nn.Module, chosen: Hyperparameters) -> torch.optim.Optimizer:
    rate, decay = chosen.learning_rate, chosen.weight_decay
    if chosen.optimiser == "sgd":
        return torch.optim.SGD(network.parameters(), rate, momentum=MOMENTUM, weight_decay=decay, fused=True)
    return torch.optim.Adam(network.parameters(), rate, weight_decay=decay, fused=True)


def _schedule(optimiser: torch.optim.Optimizer, chosen: Hyperparameters) -> lr_scheduler.LRScheduler:
    if chosen.schedule == "one_cycle":
        return lr_scheduler.OneCycleLR(optimiser, max_lr=chosen.learning_rate, total_steps=chosen.steps + 1)
    if chosen.schedule == "polynomial":
        return lr_scheduler.PolynomialLR(optimiser, total_iters=chosen.steps, power=0.9)
    return lr_scheduler.ConstantLR(optimiser, factor=1.0)


def _step_seed(seed: int, step: int, rank: int) -> int:
    """Hash three numbers into 63 bits, so that no two (seed, step, rank) of a study share a random state."""
    text = f"{seed} {step} {rank}" if rank else f"{seed} {step}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class _RunningIoU:
    """The progress bar's IoU of the foreground with the labels that training uses, over recent batches."""

    def __init__(self, chosen: Hyperparameters, ranks: Ranks):
        self.chosen, self.ranks, self.intersection, self.union = chosen, ranks, 0.0, 0.0

    @torch.inference_mode()
    def update(self, output: Tensor, labels: Supervision) -> float | None:
        """Add a batch, fade older ones, and return the IoU in percent; None while there is no foreground."""
        mean, _ = split_output(output, self.chosen)
        predicted, target = predict(mean, self.chosen), labels.target
        known = (target >= 0) & (target < len(self.chosen.classes))
        foreground = known & ((predicted > 0) | (target > 0))
        counts = torch.stack([(foreground & (predicted == target)).sum(), foreground.sum()])
        right, either = self.ranks.all_reduce_sum(counts).tolist()
        self.intersection = 0.8 * self.intersection + right
        self.union = 0.8 * self.union + either
        return round(100 * self.intersection / self.union, 2) if self.union else None
