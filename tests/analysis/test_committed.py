"""The trainings of a grid are read in the order of its file, and what is wrong with one is one line."""

import json
import shutil
from pathlib import Path

import pytest

from stages.analysis.committed import trainings
from stages.errors import UserError
from stages.paths import ROOT


def write(root: Path, variant: str, seed: int) -> None:
    run = {"variant": variant, "row": "bootstrap-500-2280", "recipe": "paper", "iou": {"car": 50.0 + seed}}
    folder = root / "reference" / "remedies" / "synthetic"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{variant}-{seed}.json").write_text(json.dumps(run | {"settings": {"steps": 360}, "seed": seed}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "studies", tmp_path / "studies")
    for variant, seeds in {"cap": (0, 2, 10), "full": (0, 1), "cap-warmup": (0,), "literal": (1,)}.items():
        for seed in seeds:
            write(tmp_path, variant, seed)
    return tmp_path


def test_entries_have_the_order_of_the_grids_file_and_seeds_their_own(root):
    shutil.copytree(root / "reference" / "remedies" / "synthetic", root / "reference" / "remedies" / "nuclei")
    (root / "reference" / "remedies" / "camvid").mkdir()
    found = trainings("remedies", root=root)
    assert list(found) == ["nuclei", "synthetic"]
    for runs in found.values():
        assert {name: list(by_seed) for name, by_seed in runs.items()} == {
            "full": [0, 1], "literal": [1], "cap": [0, 2, 10], "cap-warmup": [0],
        }  # fmt: skip
        assert list(runs) == ["full", "literal", "cap", "cap-warmup"]
        assert runs["cap"][10]["iou"] == {"car": 60.0}


def test_without_trainings_there_is_nothing(root):
    shutil.rmtree(root / "reference" / "remedies" / "synthetic")
    assert trainings("remedies", ["full"], root) == {}
    assert trainings("readings", ["full"], root) == {}


def test_an_entry_that_the_grid_lacks_is_one_line(root):
    write(root, "other", 0)
    with pytest.raises(
        UserError, match=r"^reference/remedies/synthetic/other-0\.json: studies/remedies\.yaml has no entry other$"
    ):
        trainings("remedies", root=root)


def test_a_dataset_without_what_all_else_is_compared_with_is_one_line(root):
    assert trainings("remedies", ["full", "literal"], root)
    message = (
        "reference/remedies/synthetic has no training of mixed: "
        "`python -m stages.studies remedies synthetic --only mixed` makes it"
    )
    with pytest.raises(UserError) as error:
        trainings("remedies", ["full", "mixed"], root)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", r"is not JSON \(line 1\)"),
        (b"\xff", r"is not JSON \(byte 0\)"),
        (b"[]", r"is no training's result \(all of it\)"),
        (b"null", r"is no training's result \(all of it\)"),
        (b"{}", r"is no training's result \(variant\)"),
        (b'{"variant": "full", "seed": "0"}', r"is no training's result \(seed\)"),
    ],
)
def test_what_is_no_training_is_one_line(root, content, said):
    (root / "reference" / "remedies" / "synthetic" / "full-0.json").write_bytes(content)
    with pytest.raises(UserError, match=rf"^reference/remedies/synthetic/full-0\.json {said}: `git checkout -- "):
        trainings("remedies", root=root)


def test_a_training_under_anothers_name_is_one_line(root):
    folder = root / "reference" / "remedies" / "synthetic"
    (folder / "full-9.json").write_bytes((folder / "full-0.json").read_bytes())
    with pytest.raises(UserError, match=r"^reference/remedies/synthetic/full-9\.json is that of full, seed 0: `git"):
        trainings("remedies", root=root)
