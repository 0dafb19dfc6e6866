"""A whole training on a tiny data set: repeatable, resumable, and blind to the masks of box images."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stages import arrays, params, paths
from stages.train import loop
from stages.train.checkpoints import alone, checkpoint
from stages.train.device import resolve
from stages.train.model import load
from stages.train.objectives import UNCERTAIN

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
    samples = np.load(out / "samples.npz")
    # A run may be pushed to a DVC remote, so it holds no photograph.
    assert {path.name for path in out.iterdir()} == {
        "run.json", "history.jsonl", "weights.pt", "samples.npz", "trace.npz",
    }  # fmt: skip
    assert set(samples) <= {"steps", "indices", "mean", "output", "variance", "flip"}
    row = settings.rows[name]
    if row.box == 0:
        assert len(samples["indices"]) == 0
    else:
        assert samples["steps"].tolist() == [2, 4, 12]
        assert samples["output"].shape == (3, 6, 16, 32)
        assert ("flip" in samples) == row.bootstraps
        packed = arrays.open_packed(paths.packed("synthetic", project))
        pp, box = arrays.pools(packed, row)
        assert not set(samples["indices"]) & set(pp)
        trace = np.load(out / "trace.npz")
        assert set(trace["images"]) <= set(box)
        kept = ["output", *["log_variance"] * (row.loss in UNCERTAIN), *["target"] * row.bootstraps]
        assert {key for key in trace if key not in ("steps", "images", "pixels")} == set(kept)
        assert all(trace[key].shape == (len(trace["steps"]), len(trace["pixels"])) for key in kept)
        boxes = np.array(packed.train.indices(row.task)[trace["images"]]).ravel()
        assert (boxes[trace["pixels"]] > 0).all()
    record = json.loads(paths.record(name, 0, project).read_text())
    assert record["seconds"] > 0
    assert record["resumed"] == 0
    git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=paths.ROOT, capture_output=True, text=True, check=False)
    assert record["commit"] == (git.stdout.strip() or None)  # of the code, not of the folder that the run is in
    assert not any(path.is_dir() for path in paths.checkpoints(project).iterdir())
    prediction = load(out, torch.device("cpu"))(
        torch.from_numpy(np.array(arrays.open_packed(paths.packed("synthetic", project)).val.images))
    )
    assert prediction.output.shape == (6, 16, 32)


@pytest.mark.parametrize("name", ["bootstrap-500-2280-stable", "ce-bootstrap-500-2280"])
def test_a_run_repeats_bit_by_bit_and_another_seed_does_not(name, project, settings):
    first = contents(loop.train(settings, name, 0, project))
    again = contents(loop.train(settings, name, 0, project))
    other = contents(loop.train(settings, name, 1, project))
    assert first == again
    assert first["weights.pt"] != other["weights.pt"]


@pytest.mark.parametrize("name", ["bootstrap-500-2280-stable", "ce-bootstrap-500-2280"])
@pytest.mark.parametrize("killed_at", [5, 11])
def test_a_killed_run_goes_on_and_ends_bit_by_bit_where_an_unbroken_one_ends(
    name, killed_at, project, settings, monkeypatch
):
    unbroken = contents(loop.train(settings, name, 0, project))
    shutil.rmtree(paths.run(name, 0, project))
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    steps = []
    advance = loop.Trainer.advance

    def die(self, *batch):
        steps.append(self.step)
        if len(steps) == killed_at:
            raise KeyboardInterrupt
        return advance(self, *batch)

    monkeypatch.setattr(loop.Trainer, "advance", die)
    with pytest.raises(KeyboardInterrupt):
        loop.train(settings, name, 0, project)
    monkeypatch.setattr(loop.Trainer, "advance", advance)
    resumed = contents(loop.train(settings, name, 0, project))
    assert resumed == unbroken
    assert json.loads(paths.record(name, 0, project).read_text())["resumed"] == 1


def test_a_training_that_is_cut_off_leaves_nothing_of_an_earlier_one_under_its_name(project, settings, monkeypatch):
    out = loop.train(settings, "bootstrap-500-2280", 0, project)
    file = project / "params.yaml"
    file.write_text(file.read_text().replace("tau: 2.5", "tau: 2.0"))

    def die(self, *batch):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop.Trainer, "advance", die)
    with pytest.raises(KeyboardInterrupt):
        loop.train(params.load(project), "bootstrap-500-2280", 0, project)
    assert {path.name for path in out.iterdir()} == {"run.json"}
    with pytest.raises(params.UserError, match="weights.pt"):
        load(out, torch.device("cpu"))


def test_another_tau_does_not_resume_a_checkpoint(project, settings, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    advance = loop.Trainer.advance

    def die(self, *batch):
        if self.step == 6:
            raise KeyboardInterrupt
        return advance(self, *batch)

    monkeypatch.setattr(loop.Trainer, "advance", die)
    with pytest.raises(KeyboardInterrupt):
        loop.train(settings, "bootstrap-500-2280", 0, project)
    monkeypatch.setattr(loop.Trainer, "advance", advance)
    other = project / "params.yaml"
    other.write_text(other.read_text().replace("tau: 2.5", "tau: 2.0"))
    loop.train(params.load(project), "bootstrap-500-2280", 0, project)
    assert json.loads(paths.record("bootstrap-500-2280", 0, project).read_text())["resumed"] == 0


@pytest.mark.parametrize("name", KINDS)
def test_the_masks_of_box_images_never_reach_training(name, project, settings):
    """Whatever those masks hold, the run's bytes stay the same; a pixel-perfect image's mask does change them."""
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


@pytest.mark.parametrize("tau", [1.0, 5.0])
def test_a_training_starts_its_variance_at_the_recipes_share_of_tau(project, tau):
    files = {
        "params.yaml": ("tau: 2.5", f"tau: {tau}"),
        "rows.yaml": ("box: 2280, recipe: stable}", "box: 2280, recipe: stable, overrides: {start_per_tau: 0.4}}"),
    }
    for name, (old, new) in files.items():
        text = (project / name).read_text()
        assert old in text
        (project / name).write_text(text.replace(old, new))
    out = loop.train(params.load(project), "bootstrap-500-2280-stable", 0, project)
    trace = np.load(out / "trace.npz")
    first = np.exp(trace["log_variance"][0].astype(np.float64))  # after one step
    assert first == pytest.approx(0.4 * tau, rel=0.05)


def test_the_loss_falls(project, settings):
    text = (project / "params.yaml").read_text()
    text = text.replace("steps: 12", "steps: 200").replace("batch_size: 4", "batch_size: 8")
    text = text.replace("learning_rate: auto", "learning_rate: 0.005")
    (project / "params.yaml").write_text(text)
    out = loop.train(params.load(project), "bce-2780", 0, project)
    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]


def test_a_users_mistakes_get_one_line(project, settings):
    with pytest.raises(params.UserError, match="no such row"):
        loop.train(settings, "bce-501", 0, project)
    with pytest.raises(params.UserError, match="--seed -1"):
        loop.train(settings, "bce-500", -1, project)
    bounded = params.Overrides(bound="tanh", smax=3.0)
    row = settings.rows["bootstrap-500-2280"].model_copy(update={"overrides": bounded})
    large = params.Settings(settings.params.model_copy(update={"tau": 25.0}), settings.profile, {"bounded": row}, [])
    with pytest.raises(params.UserError, match="tau is 25"):
        loop.train(large, "bounded", 0, project)
    for bound, said in (
        ({"bound": "floor", "start_per_tau": 0.1}, "start=0.1: the bound keeps it above 0.135"),
        ({"bound": "tanh", "smax": 1.0, "start": 3.0}, "start=3: the bound keeps it above 0.368 and below 2.72"),
    ):
        low = row.model_copy(update={"overrides": params.Overrides(**bound)})
        small = params.Settings(settings.params.model_copy(update={"tau": 1.0}), settings.profile, {"low": low}, [])
        with pytest.raises(params.UserError, match=f"rows.yaml: low: the variance cannot start at {said}"):
            loop.train(small, "low", 0, project)
    with pytest.raises(params.UserError, match="no such file"):
        load(paths.train("bce-500", 7, project), torch.device("cpu"))
    if torch.cuda.device_count() < 8:
        with pytest.raises(params.UserError, match="CUDA devices"):
            resolve("cuda:7")
    loop.train(settings, "bce-500", 0, project)
    (paths.train("bce-500", 0, project) / "weights.pt").write_bytes(b"broken")
    with pytest.raises(params.UserError, match="cannot read this run"):
        load(paths.train("bce-500", 0, project), torch.device("cpu"))


def test_a_run_that_another_process_trains_is_left_as_it_is_whatever_the_settings(project, settings):
    out = loop.train(settings, "bce-500", 0, project)
    files = [*out.iterdir(), paths.record("bce-500", 0, project)]
    before = {file: file.read_bytes() for file in files}
    other = replace(settings, params=settings.params.model_copy(update={"learning_rate": 0.5}))
    for again in (settings, other):
        with (
            alone(paths.checkpoints(project), "bce-500-0"),
            pytest.raises(params.UserError, match="^bce-500-0: another process is training this row and seed"),
        ):
            loop.train(again, "bce-500", 0, project)
        assert {file: file.read_bytes() for file in before} == before
    assert loop.train(other, "bce-500", 0, project) == out
    assert (out / "run.json").read_bytes() != before[out / "run.json"]


def test_a_cuda_device_becomes_the_current_one(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert [resolve("cuda:1"), resolve("cuda")] == chosen == [torch.device("cuda:1"), torch.device("cuda:0")]


def test_a_torn_checkpoint_counts_as_none(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "state.pt").write_bytes(b"torn")
    with checkpoint(tmp_path / "run") as saved:
        assert saved.load(torch.device("cpu")) is None
        saved.save({"step": 3, "tensor": torch.ones(2)})
        assert saved.load(torch.device("cpu"))["step"] == 3
