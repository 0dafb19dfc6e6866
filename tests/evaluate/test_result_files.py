"""JSON files of results: rounded, without NaN, and read with a remedy."""

import json
import math

import pytest

from stages.errors import UserError
from stages.evaluate.result_files import read_object, write_rounded


def test_numbers_are_rounded_and_nan_is_null_at_any_depth(tmp_path):
    file = tmp_path / "new" / "metrics.json"
    write_rounded(file, {"iou": {"car": 61.23456789, "person": math.nan}, "pair": (1, 0.00004), "name": "a", "n": None})
    read = json.loads(file.read_text())
    assert read == {"iou": {"car": 61.2346, "person": None}, "pair": [1, 0.0], "name": "a", "n": None}
    assert read_object(file, "make it again") == read


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), ("{", "not valid JSON"), ("[]", "holds no JSON object")],
)
def test_what_is_no_object_is_one_line_with_a_remedy(content, message, tmp_path):
    file = tmp_path / "metrics.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UserError, match=rf"metrics\.json: {message}.*; make it again$") as error:
        read_object(file, "make it again")
    assert "\n" not in str(error.value)
