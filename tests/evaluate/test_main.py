"""`python -m stages.evaluate`: its command line and what it prints."""

import sys
from types import SimpleNamespace

import pytest

from stages.evaluate import __main__ as program


def test_the_iou_of_each_class_is_printed(monkeypatch, capsys):
    metrics = {"iou": {"background": 98.123, "car": 61.5}, "dataset": "synthetic", "n_images": 160}
    asked = []
    settings = SimpleNamespace(rows={"bce-500": None})
    monkeypatch.setattr(program.config, "load", lambda: settings)
    monkeypatch.setattr("stages.evaluate.run.evaluate_run", lambda *words: asked.append(words) or metrics)
    monkeypatch.setattr(sys, "argv", ["evaluate", "--row", "bce-500", "--seed", "2"])
    program.main()
    assert asked == [(settings, "bce-500", 2)]
    assert capsys.readouterr().out == "bce-500 seed 2: IoU (%) background 98.12, car 61.50; synthetic, 160 images\n"


@pytest.mark.parametrize("words", [[], ["--row", "bce-500"], ["--seed", "0"]])
def test_a_wrong_command_line_is_a_line_of_usage(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evaluate", *words])
    with pytest.raises(SystemExit) as stopped:
        program.main()
    assert stopped.value.code == 2
    assert "usage: python -m stages.evaluate" in capsys.readouterr().err
