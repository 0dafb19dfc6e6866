"""Trainings ahead of DVC's own: the same outs, without a step left for the stage."""

import json

import pytest

from stages import config, paths
from stages.beside import STARTED_BY
from stages.errors import UserError
from stages.train import ahead, loop
from stages.train.ahead import train_ahead
from stages.train.checkpoints import exclusive_lock
from tests.train.tiny import change

pytestmark = pytest.mark.integration
NAME = "bootstrap-500-2280-stable"


@pytest.fixture(autouse=True)
def same_code(monkeypatch, code):
    monkeypatch.setattr(loop, "fingerprint", lambda modules: code)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_what_was_trained_ahead_is_what_the_stage_would_have_trained(project, settings, monkeypatch, capsys):
    out = loop.train(settings, NAME, 0, project)
    alone = contents(out)
    for file in out.iterdir():
        file.unlink()
    assert train_ahead(settings, NAME, 0, project)
    assert not any(out.iterdir())
    monkeypatch.setattr(loop.Trainer, "advance", lambda *_: pytest.fail("a step was left"))
    assert contents(loop.train(settings, NAME, 0, project)) == alone
    assert f"{NAME} seed 0: trained ahead, in " in capsys.readouterr().out
    assert json.loads(paths.record(NAME, 0, project).read_text())["resumed"] == 0
    assert not list(paths.checkpoints(project).glob("*/state.pt"))


def test_nothing_is_trained_twice(project, settings):
    assert train_ahead(settings, NAME, 0, project)
    assert not train_ahead(settings, NAME, 0, project)  # a checkpoint of the last step
    loop.train(settings, NAME, 0, project)
    assert not train_ahead(settings, NAME, 0, project)  # the outs
    with exclusive_lock(paths.checkpoints(project), "bce-500-0"), pytest.raises(UserError, match="another process"):
        train_ahead(settings, "bce-500", 0, project)


def test_what_was_trained_ahead_with_another_tau_is_not_used(project, settings, monkeypatch):
    train_ahead(settings, NAME, 0, project)
    change(project / "params.yaml", ("tau: 2.5", "tau: 2.0"))
    steps, advance = [], loop.Trainer.advance
    monkeypatch.setattr(loop.Trainer, "advance", lambda self, *batch: steps.append(1) or advance(self, *batch))
    loop.train(config.load(project), NAME, 0, project)
    assert len(steps) == 12


def test_rows_that_are_left_out_or_cannot_train_are_passed_over(project, settings, monkeypatch):
    assert not train_ahead(settings, "ce-all-500", 0, project)  # the dataset has two classes
    asked = []

    def refuse(settings, name, seed):
        asked.append((name, seed))
        raise UserError("no")

    monkeypatch.setattr(ahead, "train_ahead", refuse)
    ahead.main(["bce-500:0", "ce-500:3"])
    assert asked == [("bce-500", 0), ("ce-500", 3)]


def test_it_ends_with_the_process_that_it_was_named_and_not_with_the_one_it_finds(monkeypatch):
    """Which may be another one by now."""
    watched = []
    monkeypatch.setenv(STARTED_BY, "123456")
    monkeypatch.setattr(ahead, "end_with", watched.append)
    ahead.main([])
    assert watched == [123456]
