"""The appendix on what stages cost: what benchmarks.pipeline measured, over the number of images."""

import json

import numpy as np
import pytest

from stages.analysis import runtime
from stages.errors import UserError
from stages.figures import runtime as drawn


def test_lines_show_one_run_of_each_stage_over_the_images_and_memory_its_bound(project):
    seconds, memory = drawn.draw(runtime.load(project)).figure.axes
    assert len(seconds.lines) == len(runtime.STAGES)
    for line in seconds.lines:
        np.testing.assert_array_equal(line.get_xdata(), [20, 80])
        np.testing.assert_allclose(line.get_ydata(), [2, 8])  # half of what both runs took together
    *stages, arrays, bound = memory.lines
    assert len(stages) == len(runtime.STAGES)
    np.testing.assert_allclose(stages[0].get_ydata(), [120, 180])
    np.testing.assert_allclose(bound.get_ydata() - arrays.get_ydata(), 2048)


@pytest.mark.parametrize(
    "spoiled", [None, "", "\udcff", "[]", '{"runs": []}', '{"runs": [{"images": 3, "stages": {}}]}', '{"runs": [{}]}']
)
def test_what_is_no_measurement_is_told_with_its_remedy(project, spoiled):
    (project / runtime.FILE).unlink()
    if spoiled is not None:
        (project / runtime.FILE).write_text(spoiled, errors="surrogateescape")
    with pytest.raises(UserError, match=r"^reference/cost.json is no measurement .*benchmarks.pipeline --shares"):
        runtime.load(project)


@pytest.mark.parametrize("key", ["dataset", "device", "threads", "torch"])
def test_a_measurement_that_does_not_say_of_what_is_none(project, key):
    found = json.loads((project / runtime.FILE).read_text())
    del found[key]
    (project / runtime.FILE).write_text(json.dumps(found))
    with pytest.raises(UserError, match="is no measurement of the pipeline"):
        runtime.load(project)
