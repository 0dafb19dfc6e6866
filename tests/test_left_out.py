"""Rows that a dataset cannot fill, or does not ask for."""

from dataclasses import replace

import numpy as np
import pytest

from stages import config, left_out
from stages.arrays import Classes, Contents

SETTINGS = config.load()
OWN_TRAIN = SETTINGS.profile.train.model_copy(update={"rows": "own"})
OWN = replace(SETTINGS, profile=SETTINGS.profile.model_copy(update={"train": OWN_TRAIN}))


def contents(*classes: str, masked: int = 8, images: int = 8) -> Contents:
    return Contents(
        {"train": tuple(map(str, range(images))), "val": ("x",)}, np.arange(images), masked, Classes(classes)
    )


def trained(settings: config.Settings, of: Contents) -> list[str]:
    return [name for name in settings.rows if left_out.reason(settings, name, of) is None]


def test_a_dataset_trains_the_rows_that_it_has_classes_for():
    others = {name for name, row in SETTINGS.rows.items() if row.group == "methods"} - set(SETTINGS.methods)
    kinds = {name: row.classes for name, row in SETTINGS.rows.items() if name not in others}
    for classes, tasks in ((("a",), {"one"}), (("a", "b"), {"one", "few"}), (("a", "b", "c"), {"one", "few", "all"})):
        assert trained(SETTINGS, contents(*classes)) == [name for name, kind in kinds.items() if kind in tasks]


def test_the_reason_names_what_is_needed_and_what_there_is():
    assert (
        left_out.reason(SETTINGS, "ce-500", contents("nucleus")) == "needs two or more classes; synthetic has nucleus"
    )
    few = left_out.reason(SETTINGS, "ce-all-500", contents("cat", "dog"))
    assert few == "needs three or more classes; synthetic has cat, dog"
    masks = left_out.reason(SETTINGS, "bce-2780", contents("a", masked=3))
    assert masks == "needs more masks than boxes alone; 3 of 8 training images have masks"


def test_full_supervision_needs_every_mask_and_the_other_rows_do_not():
    assert "bce-2780" not in trained(SETTINGS, contents("a", masked=7))
    assert {"bce-500", "bce-500-2280", "bootstrap-100-2680-stable"} <= set(trained(SETTINGS, contents("a", masked=7)))


@pytest.mark.parametrize(("classes", "prefix"), [(("a",), ""), (("a", "b"), "ce-"), (("a", "b", "c"), "ce-")])
def test_own_data_train_the_rows_marked_own_of_their_largest_task(classes, prefix):
    names = trained(OWN, contents(*classes))
    assert names and all(SETTINGS.rows[name].own for name in names)
    assert {SETTINGS.rows[name].classes for name in names} == {Classes(classes).tasks[-1]}
    assert all(name.startswith(prefix) for name in names)


def test_what_is_written_is_read_and_takes_the_place_of_results(tmp_path):
    assert left_out.read(tmp_path / "none") is None
    folder = tmp_path / "train"
    folder.mkdir()
    (folder / "weights.pt").write_text("old")
    left_out.write(folder, "because")
    assert [file.name for file in folder.iterdir()] == [left_out.FILE]
    assert left_out.read(folder) == "because"
    (folder / left_out.FILE).write_text("{")
    assert left_out.read(folder) is None
