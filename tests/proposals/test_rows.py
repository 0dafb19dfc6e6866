"""Every row of rows.methods, by its name: prepared, trained, evaluated and used."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stages import config, left_out, paths
from stages.arrays import open_packed, read_contents
from stages.errors import UserError
from stages.evaluate.run import evaluate_run
from stages.export.graph import Graph
from stages.model.predictor import load
from stages.predict.relabel import write_relabelled
from stages.proposals import files, make
from stages.train.loop import train
from tests.predict.trained import write_project
from tests.train.tiny import REPOSITORY

ROWS = [name for name, row in config.load(REPOSITORY).rows.items() if row.group == "methods"]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    root = write_project(tmp_path_factory.mktemp("project"))
    make.make(paths.packed("synthetic", root), paths.proposals("synthetic", root), workers=1)
    return root


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_trained_evaluated_and_used(project: Path, name: str, tmp_path: Path):
    settings = config.load(project)
    row = settings.rows[name]
    train(settings, name, 0, project)
    metrics = evaluate_run(settings, name, 0, project)
    assert 0 <= metrics["iou"]["car"] <= 100
    labels = metrics["trace"].get("target")
    assert (labels is None) == (row.labels == "lines")
    predictor = load(paths.train(name, 0, project), torch.device("cpu"))
    pictures = torch.from_numpy(np.array(open_packed(paths.packed("synthetic", project)).val.images[:2]))
    mean, classes = Graph(predictor)(pictures)
    assert mean.shape == (2, 1, 64, 128) and torch.equal(classes, predictor(pictures).output.long())
    with pytest.raises(UserError, match="flips no labels"):
        write_relabelled(predictor, paths.run(name, 0, project), tmp_path / "out", root=project)


def test_a_row_is_left_out_unless_it_is_named(project: Path):
    settings, contents = config.load(project), read_contents(paths.packed("synthetic", project))
    usual = ("grabcut-500-2280", "self-training-500-2280")
    assert settings.methods == usual
    reasons = {name: left_out.reason(settings, name, contents) for name in ROWS}
    assert {name for name, why in reasons.items() if why is None} == set(usual)
    assert reasons["sdi-0-2780"] == "not one of the other methods that `methods` names for synthetic"
    named = replace(settings, params=settings.params.model_copy(update={"methods": ("sdi-0-2780",)}))
    assert left_out.reason(named, "sdi-0-2780", contents) is None and left_out.reason(named, usual[0], contents)


def test_data_of_ones_own_train_what_is_named_and_nothing_by_themselves(project: Path):
    settings, contents = config.load(project), read_contents(paths.packed("synthetic", project))
    profile = settings.profile.model_copy(update={"train": settings.profile.train.model_copy(update={"rows": "own"})})
    own = replace(settings, profile=profile)
    assert own.methods == ()
    named = replace(own, params=settings.params.model_copy(update={"methods": ("self-training-500-2280",)}))
    assert left_out.reason(named, "self-training-500-2280", contents) is None


def test_each_row_has_a_file_that_changes_with_its_own_labels_alone(project: Path, tmp_path: Path):
    settings = config.load(project)
    folder = tmp_path / "proposals"
    folder.mkdir()
    np.save(folder / "grabcut.npy", np.zeros(3))
    files.write_needs(folder, settings)
    before = {file.stem: json.loads(file.read_text()) for file in (folder / "rows").iterdir()}
    assert set(before) == set(ROWS)
    assert before["self-training-500-2280"] == {"trained": True} and before["sdi-0-2780"] == {"trained": False}
    np.save(folder / "grabcut.npy", np.ones(3))
    files.write_needs(folder, settings)
    after = {file.stem: json.loads(file.read_text()) for file in (folder / "rows").iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"grabcut-500-2280"}


def test_without_a_row_that_needs_labels_none_are_made(project: Path, tmp_path: Path):
    found = make.make(paths.packed("synthetic", project), tmp_path, names=(), workers=1)
    assert found == {} and {file.name for file in tmp_path.iterdir()} == {"proposals.json"}
