"""The files of one evaluated run."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stages import arrays, config, paths
from stages.errors import UserError
from stages.evaluate.run import evaluate_run
from stages.model.hyperparameters import resolve
from stages.model.network import build
from stages.model.predictor import load
from stages.train.traces import Trace
from tests.two_classes import CLASSES

ROW = "bootstrap-500-2280"


@pytest.fixture
def settings():
    return config.load()


@pytest.fixture
def project(tmp_path, make_packed, pretend, monkeypatch, settings):
    """A root with packed arrays and one trained run, whose weights are pretended."""

    def pretended(folder, device):
        assert folder == paths.train(ROW, 0, tmp_path) and isinstance(device, torch.device)
        return pretend(settings.rows[ROW], row=ROW, dataset=(folder / "dataset").read_text())

    monkeypatch.setattr("stages.evaluate.run.load", pretended)
    make_packed(2, paths.packed(settings.params.dataset, tmp_path))
    paths.train(ROW, 0, tmp_path).mkdir(parents=True)
    (paths.train(ROW, 0, tmp_path) / "dataset").write_text(settings.params.dataset)
    target = np.array([[1, 0]], np.uint8)
    followed = {"steps": np.array([3]), "images": np.array([4]), "pixels": np.array([0, 700])}
    followed |= {"output": target, "target": target}
    np.savez(paths.train(ROW, 0, tmp_path) / "trace.npz", **followed)
    return tmp_path


def test_files_and_their_bytes(project, settings):
    out = paths.evaluate(ROW, 0, project)
    evaluate_run(settings, ROW, 0, project)
    first = {file.name: file.read_bytes() for file in out.iterdir()}
    assert set(first) == {"metrics.json", "pictures.npz"}
    metrics = json.loads(first["metrics.json"])
    assert (metrics["row"], metrics["seed"], metrics["dataset"]) == (ROW, 0, settings.params.dataset)
    assert metrics["classes"] == ["background", "car"]
    assert metrics["trace"]["steps"] == [3]
    assert metrics["mean_iou"] == round(metrics["mean_iou"], 4)
    assert np.load(out / "pictures.npz")["output"].shape == (6, 32, 48)
    shutil.rmtree(out)
    evaluate_run(settings, ROW, 0, project)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == first


def test_a_linked_file_is_replaced_and_not_written_through(project, settings):
    out = paths.evaluate(ROW, 0, project)
    out.mkdir(parents=True)
    for name in ("metrics.json", "pictures.npz"):
        (project / name).write_text("cached")
        (out / name).hardlink_to(project / name)
    evaluate_run(settings, ROW, 0, project)
    assert (project / "metrics.json").read_text() == (project / "pictures.npz").read_text() == "cached"


def test_a_run_of_another_dataset_is_refused(project, settings):
    (paths.train(ROW, 0, project) / "dataset").write_text("elsewhere")
    with pytest.raises(UserError, match=r"is of dataset elsewhere, params\.yaml says"):
        evaluate_run(settings, ROW, 0, project)


@pytest.mark.parametrize(("row", "seed", "said"), [("nope", 0, "--row is nope"), (ROW, 7, "seed-7.*no such file")])
def test_no_such_row_or_run(tmp_path, settings, row, seed, said):
    with pytest.raises(UserError, match=said) as error:
        evaluate_run(settings, row, seed, tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("row", "capped"),
    [
        ("bce-500", False),
        ("regression-500-2280", False),
        ("bootstrap-500-2280-stable", False),
        ("bootstrap-500-2280-stable", True),
        ("ce-bootstrap-500-2280", False),
    ],
)
def test_a_network_from_disk(tmp_path, make_packed, settings, row, capped):
    """No pretence: weights that were never trained, read back, evaluated."""
    packed = make_packed(2, paths.packed(settings.params.dataset, tmp_path))
    spec = settings.rows[row]
    chosen = replace(resolve(settings, row, CLASSES), width=0.25)
    if spec.bootstraps:
        chosen = replace(chosen, tau=0.5, recipe=replace(chosen.recipe, fill_cap=capped))
    run = chosen.record() | {
        "seed": 3,
        "fill_rate": [1.0, 0.5, 0.5][: len(chosen.classes)] if spec.bootstraps else None,
    }
    folder = paths.train(row, 3, tmp_path)
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(run))
    torch.manual_seed(0)
    for file in ("weights.pt", *["teacher.pt"] * (spec.recipe == "stable")):
        torch.save(build(chosen).state_dict(), folder / file)
    trace = Trace(packed, spec, arrays.pools(packed, spec)[1])
    trace.take(1, load(folder, torch.device("cpu")))
    np.savez(folder / "trace.npz", **trace.arrays())
    metrics = evaluate_run(settings, row, 3, tmp_path)
    pictures = np.load(paths.evaluate(row, 3, tmp_path) / "pictures.npz")
    assert np.sum(metrics["confusion"]) == (packed.val.masks("few") != 255).sum()
    assert (metrics["label_flips"] is not None) == spec.bootstraps
    assert (metrics["contradictions"] is not None) == (spec.box > 0)
    drawn = {"indices", "mean", "variance", "output", "image_iou", "worst_indices", "worst_output"}
    assert set(pictures) <= drawn  # may be pushed: no photograph
    assert ("variance" in pictures) == (spec.loss not in ("bce", "ce"))
    assert pictures["mean"].shape == (6, 3 if spec.classes == "few" else 1, 32, 48)
    if spec.bootstraps and spec.classes == "one":  # sigma^2 is log 2 everywhere, above tau: all that a cap lets flip
        assert metrics["label_flips"]["share_found"] == pytest.approx(50 if capped else 100, abs=2 * capped)
    assert (metrics["trace"] is not None) == (spec.box > 0)
    if chosen.has_variance:  # equal everywhere, so it tells nothing apart
        assert (metrics["auroc"], metrics["edge_ratio"]) == (0.5, 1.0)
        assert metrics["trace"]["auroc"] == [0.5]
    if spec.bootstraps:  # the trace follows all in-box pixels of these few images
        share = metrics["label_flips"]["share_wrong"] / 100
        flipped = [metrics["trace"][f"flipped_{kind}"][0] for kind in ("right", "wrong")]
        assert (1 - share) * flipped[0] + share * flipped[1] == pytest.approx(
            metrics["label_flips"]["share_found"], abs=0.01
        )


@pytest.mark.parametrize(
    ("damage", "message"),
    [(Path.unlink, "no such file"), (lambda file: file.write_bytes(b"PK"), "damaged")],
    ids=["absent", "broken"],
)
def test_a_trace_that_cannot_be_read_is_named(project, settings, damage, message):
    damage(paths.train(ROW, 0, project) / "trace.npz")
    with pytest.raises(UserError, match=rf"trace\.npz: {message}; train this run"):
        evaluate_run(settings, ROW, 0, project)
