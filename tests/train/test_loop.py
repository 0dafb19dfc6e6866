"""A whole training on a tiny data set: repeatable, resumable, and blind to the masks of box images."""

import json
import math
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stages import arrays, config, paths
from stages.errors import UserError
from stages.model.predictor import load
from stages.train import loop
from stages.train.checkpoints import exclusive_lock
from tests.train.tiny import change

pytestmark = pytest.mark.integration

KINDS = [
    "bce-500-2280",
    "regression-all-500-2280",
    "uncertainty-500-2280",
    "bootstrap-500-2280",
    "bootstrap-500-2280-stable",
    "ce-bootstrap-500-2280",
    "ce-bootstrap-500-2280-stable",
]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("name", ["bce-2780", "bce-0-2780", "ce-500", *KINDS])
def test_every_kind_of_row_trains_and_writes_what_later_stages_read(name, project, settings):
    out = loop.train(settings, name, 0, project)
    run = json.loads((out / "run.json").read_text())
    assert run["row"] == name
    assert run["counts"]["train"] == 24
    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    assert [line["step"] for line in history] == [10, 12]
    assert all(np.isfinite(line["loss"]) for line in history)
    shown = np.load(out / "snapshots.npz")
    row = settings.rows[name]
    # A run may be pushed to a DVC remote, so it holds no photograph.
    assert {path.name for path in out.iterdir()} == {
        "run.json", "history.jsonl", "weights.pt", "snapshots.npz", "trace.npz",
        *["teacher.pt"] * (row.recipe == "stable"),
    }  # fmt: skip
    assert set(shown) <= {"steps", "indices", "mean", "output", "variance", "label_flip"}
    if row.box == 0:
        assert len(shown["indices"]) == 0
    else:
        assert shown["steps"].tolist() == [2, 4, 12]
        assert shown["output"].shape == (3, 6, 16, 32)
        assert ("label_flip" in shown) == row.bootstraps
        packed = arrays.open_packed(paths.packed("synthetic", project))
        pp, box = arrays.pools(packed, row)
        assert not set(shown["indices"]) & set(pp)
        trace = np.load(out / "trace.npz")
        assert set(trace["images"]) <= set(box)
        kept = ["output", *["log_variance"] * (row.loss not in ("bce", "ce")), *["target"] * row.bootstraps]
        assert {key for key in trace if key not in ("steps", "images", "pixels")} == set(kept)
        assert all(trace[key].shape == (len(trace["steps"]), len(trace["pixels"])) for key in kept)
        boxes = np.array(packed.train.indices(row.classes)[trace["images"]]).ravel()
        assert (boxes[trace["pixels"]] > 0).all()
    record = json.loads(paths.record(name, 0, project).read_text())
    assert record["seconds"] > 0
    assert record["resumed"] == 0
    git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=paths.ROOT, capture_output=True, text=True, check=False)
    assert record["commit"] == (git.stdout.strip() or None)  # of the code, not of the folder that the run is in
    assert not any(path.is_dir() for path in paths.checkpoints(project).iterdir())
    predictor = load(out, torch.device("cpu"))
    assert (predictor.teacher is not None) == (row.recipe == "stable")
    prediction = predictor(
        torch.from_numpy(np.array(arrays.open_packed(paths.packed("synthetic", project)).val.images))
    )
    assert prediction.output.shape == (6, 16, 32)


@pytest.mark.parametrize("name", ["bootstrap-500-2280-stable", "ce-bootstrap-500-2280"])
def test_a_run_repeats_bit_by_bit_and_another_seed_does_not(name, project):
    change(project / "params.yaml", ("steps: 12", "steps: 6"))
    settings = config.load(project)
    first = contents(loop.train(settings, name, 0, project))
    again = contents(loop.train(settings, name, 0, project))
    other = contents(loop.train(settings, name, 1, project))
    assert first == again
    assert first["weights.pt"] != other["weights.pt"]


def stop_at(step: int, monkeypatch) -> None:
    """Interrupt the next training before this step, once, and let it save a checkpoint just before."""
    advance = loop.Trainer.advance
    monkeypatch.setattr("stages.train.trainer.CHECKPOINT_SECONDS", math.inf)

    def stop(self, *batch):
        if self.step == step:
            monkeypatch.setattr(loop.Trainer, "advance", advance)
            raise KeyboardInterrupt
        monkeypatch.setattr("stages.train.trainer.CHECKPOINT_SECONDS", 0 if self.step == step - 1 else math.inf)
        return advance(self, *batch)

    monkeypatch.setattr(loop.Trainer, "advance", stop)


@pytest.mark.parametrize("name", ["bootstrap-500-2280-stable", "ce-bootstrap-500-2280"])
@pytest.mark.parametrize("killed_at", [3, 7])
def test_a_killed_run_goes_on_and_ends_bit_by_bit_where_an_unbroken_one_ends(name, killed_at, project, monkeypatch):
    change(project / "params.yaml", ("steps: 12", "steps: 8"))
    settings = config.load(project)
    unbroken = contents(loop.train(settings, name, 0, project))
    shutil.rmtree(paths.run(name, 0, project))
    stop_at(killed_at, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        loop.train(settings, name, 0, project)
    resumed = contents(loop.train(settings, name, 0, project))
    assert resumed == unbroken
    assert json.loads(paths.record(name, 0, project).read_text())["resumed"] == 1


def test_a_training_that_is_cut_off_leaves_nothing_of_an_earlier_one_under_its_name(project, settings, monkeypatch):
    out = loop.train(settings, "bootstrap-500-2280", 0, project)
    change(project / "params.yaml", ("tau: 2.5", "tau: 2.0"))

    def die(self, *batch):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop.Trainer, "advance", die)
    with pytest.raises(KeyboardInterrupt):
        loop.train(config.load(project), "bootstrap-500-2280", 0, project)
    assert {path.name for path in out.iterdir()} == {"run.json"}
    with pytest.raises(UserError, match="weights.pt"):
        load(out, torch.device("cpu"))


def test_another_tau_does_not_resume_a_checkpoint(project, settings, monkeypatch):
    stop_at(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        loop.train(settings, "bootstrap-500-2280", 0, project)
    assert len(list(paths.checkpoints(project).glob("*/state.pt"))) == 1
    change(project / "params.yaml", ("tau: 2.5", "tau: 2.0"))
    loop.train(config.load(project), "bootstrap-500-2280", 0, project)
    assert json.loads(paths.record("bootstrap-500-2280", 0, project).read_text())["resumed"] == 0


@pytest.mark.parametrize("name", KINDS)
def test_the_masks_of_box_images_never_reach_training(name, project):
    """Whatever those masks hold, the run's bytes stay the same; a pixel-perfect image's mask does change them."""
    change(project / "params.yaml", ("steps: 12", "steps: 4"))
    settings = config.load(project)
    packed = arrays.open_packed(paths.packed("synthetic", project))
    pp, box = arrays.pools(packed, settings.rows[name])
    masks = paths.packed("synthetic", project) / "train" / "masks.npy"
    before = contents(loop.train(settings, name, 0, project))

    def scramble(images):
        content = np.load(masks, mmap_mode="r+")
        content[images] = np.random.default_rng(0).integers(0, 3, content[images].shape)
        content.flush()

    scramble(box)
    assert contents(loop.train(settings, name, 0, project)) == before
    scramble(pp)
    assert contents(loop.train(settings, name, 0, project))["weights.pt"] != before["weights.pt"]


@pytest.mark.parametrize("share", [0.4, 1.0])
@pytest.mark.parametrize("tau", [1.0, 5.0])
def test_a_training_starts_its_variance_at_the_recipes_share_of_tau(project, tau, share):
    change(project / "params.yaml", ("tau: 2.5", f"tau: {tau}"))
    entry = "one, loss: bootstrap, pp: 500, box: 2280, recipe: stable"
    overridden = f"{entry}, overrides: {{initial_variance_per_tau: {share}}}"
    change(project / "configs" / "rows.yaml", (entry, overridden))
    out = loop.train(config.load(project), "bootstrap-500-2280-stable", 0, project)
    trace = np.load(out / "trace.npz")
    first = np.exp(trace["log_variance"][0].astype(np.float64))  # after one step
    assert first == pytest.approx(share * tau, rel=0.05)


@pytest.mark.parametrize(
    ("decides", "sees"), [("variance", "image"), ("variance", "label"), ("mean", "image"), ("posterior", "label")]
)
def test_a_teacher_repeats_goes_on_after_a_kill_and_decides_in_evaluation(decides, sees, project, monkeypatch):
    entry = "one, loss: bootstrap, pp: 500, box: 2280, recipe: stable"
    more = f"{{decides: {decides}, teacher_decay: 0.5, own_boxes: true, keep_attenuation: true, variance_sees: {sees}}}"
    change(project / "configs" / "rows.yaml", (entry, f"{entry}, overrides: {more}"))
    settings, name = config.load(project), "bootstrap-500-2280-stable"
    whole = contents(loop.train(settings, name, 0, project))
    stop_at(9, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        loop.train(settings, name, 0, project)
    out = loop.train(settings, name, 0, project)
    assert contents(out) == whole
    predictor = load(out, torch.device("cpu"))
    pictures = torch.randint(0, 255, (2, 16, 32, 3), dtype=torch.uint8)
    box = torch.ones(2, 16, 32, dtype=torch.int64)
    given = box, box
    own = predictor(pictures, *given)
    assert torch.equal(own.mean, predictor(pictures).mean)  # the mean sees the image alone
    taught = predictor.decider(pictures, own, *given)
    assert not torch.equal(own.mean, taught.mean)
    assert predictor.label_flips(taught, box, box).shape == box.shape
    plain = load(loop.train(settings, "bootstrap-500-2280", 0, project), torch.device("cpu"))
    assert plain.decider(pictures, own, *given) is own and "teacher.pt" not in contents(
        out.parents[2] / "bootstrap-500-2280" / "seed-0" / "train"
    )


def test_the_literal_recipe_trains_on_boxes_alone(project):
    entry = "one, loss: bootstrap, pp: 500, box: 2280, recipe: paper"
    change(project / "configs" / "rows.yaml", (entry, "one, loss: bootstrap, pp: 0, box: 2780, recipe: paper"))
    out = loop.train(config.load(project), "bootstrap-500-2280", 0, project)
    run = json.loads((out / "run.json").read_text())
    assert run["counts"] == {"pp": 0, "box": 24, "train": 24}
    assert run["fill_rate"] == [1.0, 1.0]


def test_a_row_that_becomes_one_without_a_teacher_keeps_no_teacher(project):
    entry = "one, loss: bootstrap, pp: 500, box: 2280, recipe: stable"
    rows, name = project / "configs" / "rows.yaml", "bootstrap-500-2280-stable"
    assert "teacher.pt" in contents(loop.train(config.load(project), name, 0, project))
    change(rows, (entry, f"{entry}, overrides: {{teacher_decay: 0}}"))
    assert "teacher.pt" not in contents(loop.train(config.load(project), name, 0, project))


def test_the_loss_falls(project, settings):
    change(project / "params.yaml", ("steps: 12", "steps: 60"), ("learning_rate: auto", "learning_rate: 0.01"))
    out = loop.train(config.load(project), "bce-2780", 0, project)
    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]


def test_a_users_mistakes_get_one_line(project, settings):
    with pytest.raises(UserError, match="no such row"):
        loop.train(settings, "bce-501", 0, project)
    with pytest.raises(UserError, match="--seed -1"):
        loop.train(settings, "bce-500", -1, project)
    bounded = config.Overrides(bound="tanh", smax=3.0)
    row = settings.rows["bootstrap-500-2280"].model_copy(update={"overrides": bounded})
    large = replace(settings, params=settings.params.model_copy(update={"tau": 25.0}), rows={"bounded": row})
    with pytest.raises(UserError, match="tau is 25"):
        loop.train(large, "bounded", 0, project)
    with pytest.raises(UserError, match="no such file"):
        load(paths.train("bce-500", 7, project), torch.device("cpu"))
    assert not paths.checkpoints(project).exists()


def test_a_loss_that_is_no_longer_finite_ends_with_one_line(project, settings, monkeypatch):
    advance = loop.Trainer.advance

    def diverge(self, *batch):
        output, terms = advance(self, *batch)
        return output, terms | {"loss": terms["loss"] * float("nan")}

    monkeypatch.setattr(loop.Trainer, "advance", diverge)
    with pytest.raises(UserError, match="^bce-500 seed 0: the loss is nan at step 10; allowed: a finite number"):
        loop.train(settings, "bce-500", 0, project)


def test_weights_that_cannot_be_read_are_one_line(project, settings):
    loop.train(settings, "bce-500", 0, project)
    (paths.train("bce-500", 0, project) / "weights.pt").write_bytes(b"broken")
    with pytest.raises(UserError, match="cannot read this run"):
        load(paths.train("bce-500", 0, project), torch.device("cpu"))


def test_a_run_that_another_process_trains_is_left_as_it_is_whatever_the_settings(project, settings):
    out = loop.train(settings, "bce-500", 0, project)
    files = [*out.iterdir(), paths.record("bce-500", 0, project)]
    before = {file: file.read_bytes() for file in files}
    other = replace(settings, params=settings.params.model_copy(update={"learning_rate": 0.5}))
    for again in (settings, other):
        with (
            exclusive_lock(paths.checkpoints(project), "bce-500-0"),
            pytest.raises(UserError, match="^bce-500-0: another process is training this row and seed"),
        ):
            loop.train(again, "bce-500", 0, project)
        assert {file: file.read_bytes() for file in before} == before
    assert loop.train(other, "bce-500", 0, project) == out
    assert (out / "run.json").read_bytes() != before[out / "run.json"]


def test_outputs_have_the_resolution_of_the_picture(project, settings, packed):
    """Neighbours within the 2x2 blocks of the last layer differ as much as neighbours across them."""
    out = loop.train(settings, "bce-2780", 0, project)
    mean = load(out, torch.device("cpu"))(torch.from_numpy(packed.val.images[:])).mean[:, 0]
    steps = mean.diff(dim=2).abs()
    within, across = steps[:, :, 0::2].mean(), steps[:, :, 1::2].mean()
    assert 0.5 < within / across < 2


@pytest.mark.parametrize("schedule", ["one_cycle", "polynomial", "constant"])
def test_the_learning_rate_follows_its_schedule(schedule, project):
    change(project / "params.yaml", ("learning_rate: auto", "learning_rate: 0.004"))
    text = (project / "configs" / "datasets.yaml").read_text()
    (project / "configs" / "datasets.yaml").write_text(re.sub(r"schedule: \w+", f"schedule: {schedule}", text))
    job = loop.prepare(config.load(project), "bce-500", 0, project)
    trainer, rates = loop.Trainer(job, torch.device("cpu")), []
    for _ in range(12):
        rates.append(trainer.optimiser.param_groups[0]["lr"])
        trainer.optimiser.step()
        trainer.schedule.step()
    expected = {"constant": [0.004] * 12, "polynomial": [0.004 * (1 - k / 12) ** 0.9 for k in range(12)]}
    if schedule == "one_cycle":
        assert max(rates) == pytest.approx(0.004, rel=0.05) and rates[0] < 0.001 and rates[-1] < 0.001
    else:
        assert rates == pytest.approx(expected[schedule])


ROWS = ["bce-500-2280", "regression-all-500-2280", "bootstrap-500-2280-stable", "ce-500-2280", "ce-bootstrap-500-2280"]
TOLERANCE = {torch.float32: (1e-5, 1e-4), torch.bfloat16: (0.02, 0.08)}
"""Largest relative difference of a loss, and of a gradient's norm (of the difference, over all parameters)."""


def step_of(job: loop.Job, precision, monkeypatch, plain: bool) -> tuple[float, torch.Tensor]:
    """Loss and gradient of the first batch, batch norm and dropout frozen."""
    monkeypatch.setattr("stages.train.trainer.precision", lambda _: precision)
    trainer = loop.Trainer(job, torch.device("cpu"))
    if plain:
        trainer.network.to(memory_format=torch.contiguous_format)
    trainer.network.eval()
    trainer.network.head.bias.data.clamp_(min=0)  # at the best constant a gradient is a small difference of large ones
    trainer.network.train = lambda mode=True: trainer.network
    trainer.optimiser.step = trainer.schedule.step = lambda: None
    _, terms = trainer.advance(*trainer.batches[0])
    return terms["loss"].item(), torch.cat([p.grad.flatten() for p in trainer.network.parameters()])


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("precision", TOLERANCE)
def test_losses_and_gradients_are_those_of_plain_fp32(settings, project, row, precision, monkeypatch):
    """What makes a step fast, channels last and bf16, leaves its result alone."""
    job = loop.prepare(settings, row, 0, project)
    expected_loss, expected = step_of(job, torch.float32, monkeypatch, plain=True)
    loss, gradient = step_of(job, precision, monkeypatch, plain=False)
    of_loss, of_gradient = TOLERANCE[precision]
    assert loss == pytest.approx(expected_loss, rel=of_loss)
    assert (gradient - expected).norm() <= of_gradient * expected.norm()
    assert expected.norm() > 0
