"""The followed pixels: the same in all rows, in boxes, and no more than a bound."""

import numpy as np
import pytest

from stages import arrays
from stages.model.network import build
from stages.model.predictor import Predictor
from stages.train import traces
from stages.train.traces import Trace, moments
from tests.train.tiny import hyperparameters


def test_moments_end_with_the_last_step_and_never_repeat():
    assert moments(100) == [1, 2, 5, 10, 15, 20, 30, 40, 55, 70, 85, 100]
    assert moments(3) == [1, 2, 3]


def test_the_followed_pixels_lie_in_boxes_of_the_last_images_of_pp_order(packed, settings):
    row = settings.rows["bce-500-2280"]
    trace = Trace(packed, row, arrays.pools(packed, row)[1])
    assert trace.images.tolist() == packed.pp_order[::-1][:16].tolist()
    boxes = packed.train.indices("one")[trace.images].ravel()
    assert trace.pixels.tolist() == np.flatnonzero(boxes).tolist()
    fewer = Trace(
        packed, settings.rows["bootstrap-100-2680"], arrays.pools(packed, settings.rows["bootstrap-100-2680"])[1]
    )
    assert fewer.images.tolist() == trace.images.tolist()


@pytest.mark.parametrize("most", [1, 100, 700])
def test_no_more_pixels_are_followed_than_allowed_and_they_are_spread(packed, settings, most, monkeypatch):
    row = settings.rows["bce-500-2280"]
    box = arrays.pools(packed, row)[1]
    every = Trace(packed, row, box).pixels
    monkeypatch.setattr(traces, "MAX_PIXELS", most)
    some = Trace(packed, row, box).pixels
    assert most / 2 <= len(some) <= most
    assert set(some) <= set(every)
    assert len({int(step) for step in np.diff(np.searchsorted(every, some))}) <= 1  # every k-th


def test_a_row_without_boxes_follows_nothing(packed, settings):
    trace = Trace(packed, settings.rows["bce-2780"], np.array([], np.int64))
    trace.take(1, None)
    assert {name: len(value) for name, value in trace.arrays().items()} == {"steps": 0, "images": 0, "pixels": 0}


def test_the_labels_of_proposals_are_followed_as_they_are(packed, settings):
    row = settings.rows["bce-500-2280"]
    box = arrays.pools(packed, row)[1]
    maps = np.random.default_rng(0).integers(0, 2, packed.train.images.shape[:3], np.uint8)
    trace = Trace(packed, row, box, maps)
    predictor = Predictor(build(hyperparameters(row)), hyperparameters(row), None)
    trace.take(1, predictor)
    assert np.array_equal(trace.arrays()["target"][0], maps[trace.images].ravel()[trace.pixels])
    assert "target" not in taken_without(packed, row, box, predictor)


def taken_without(packed, row, box, predictor):
    trace = Trace(packed, row, box)
    trace.take(1, predictor)
    return trace.arrays()
