"""Exported files against the network in torch, run by onnxruntime, and by torch without this project."""

import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from stages.export.formats import OPSET
from tests.predict.trained import BINARY, L2, MULTI_CLASS, PLAIN, photograph

SHAPES = [(1, 64, 128), (3, 64, 128), (1, 40, 8), (3, 40, 8)]
"""Images, height and width: two sizes and two batch sizes, none of them the exporter's example."""

RUN_TORCHSCRIPT = """
import json, sys
import torch

try:
    import stages
    sys.exit("the project is importable")
except ImportError:
    pass
extra = {"metadata.json": ""}
network = torch.jit.load(sys.argv[1], _extra_files=extra)
inputs = torch.load(sys.argv[2])
torch.save([dict(network(images)) for images in inputs], sys.argv[3])
print(json.dumps(json.loads(extra["metadata.json"])))
"""


def batches():
    return [
        torch.stack([torch.from_numpy(photograph(width, height, seed)) for seed in range(count)])
        for count, height, width in SHAPES
    ]


def check(predictor, images, found):
    """Compare outputs by name with those of the predictor, to 1e-4 (variances: relative, they have no scale)."""
    expected = predictor(images)
    variance = () if expected.variance is None else ("variance",)
    assert list(found) == ["mean", *variance, "classes"]
    assert (found["mean"].dtype, found["classes"].dtype) == (np.float32, np.int64)
    np.testing.assert_allclose(found["mean"], expected.mean, atol=1e-4, rtol=0)
    if variance:
        assert found["variance"].dtype == np.float32
        np.testing.assert_allclose(found["variance"], expected.variance, rtol=1e-4)
    differ = found["classes"] != expected.output.numpy()
    assert differ.mean() < 1e-3  # where a mean lies on its threshold
    assert len(np.unique(found["classes"])) > 1


def check_metadata(found, row, variance):
    assert json.loads(found["classes"])[:2] == ["background", "car"]
    assert json.loads(found["training_size"]) == [128, 64]
    assert found["normalisation"] == "images / 127.5 - 1, in the graph"
    assert (found["row"], found["dataset"], found["seed"], found["version"]) == (row, "synthetic", "0", "0.2.0")
    assert found["recipe"] == {BINARY: "stable", MULTI_CLASS: "stable", PLAIN: "plain", L2: "regression"}[row]
    assert found["variance"].startswith(variance)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("row", "variance"),
    [
        (BINARY, "sigma^2 of each logit, in units of logit^2"),
        (MULTI_CLASS, "sigma^2 of each logit, in units of logit^2"),
        (L2, "sigma^2 of each logit, in units of squared target"),
        (PLAIN, "none: "),
    ],
)
def test_onnx(exported, predictor_of, row, variance):
    file = exported(row, "onnx")
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", OPSET)]
    assert not any(node.metadata_props for node in model.graph.node)  # no path of this machine
    session = onnxruntime.InferenceSession(file)
    (images,) = session.get_inputs()
    assert (images.name, images.type, images.shape[0], images.shape[3]) == ("images", "tensor(uint8)", "batch", 3)
    check_metadata(session.get_modelmeta().custom_metadata_map, row, variance)
    names = [output.name for output in session.get_outputs()]
    for batch in batches():
        found = session.run(None, {"images": batch.numpy()})
        check(predictor_of(row), batch, dict(zip(names, found, strict=True)))


@pytest.mark.integration
@pytest.mark.parametrize(("row", "variance"), [(MULTI_CLASS, "sigma^2"), (L2, "sigma^2"), (PLAIN, "none: ")])
def test_torchscript_in_a_process_without_the_project(exported, predictor_of, tmp_path, row, variance):
    torch.save(batches(), tmp_path / "inputs.pt")
    files = [str(exported(row, "torchscript")), *(str(tmp_path / name) for name in ("inputs.pt", "outputs.pt"))]
    command = [sys.executable, "-I", "-W", "ignore", "-c", RUN_TORCHSCRIPT, *files]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    check_metadata(json.loads(done.stdout), row, variance)
    for batch, found in zip(batches(), torch.load(tmp_path / "outputs.pt"), strict=True):
        check(predictor_of(row), batch, {name: value.numpy() for name, value in found.items()})
