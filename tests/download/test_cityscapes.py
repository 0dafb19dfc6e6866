"""Cityscapes from a local copy, and what happens without one and without an account."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from stages.download import cityscapes
from stages.download.run import download
from stages.errors import UserError
from tests.download.fabricated import CITYSCAPES, make_cityscapes, snapshot


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """No account of the person who runs the tests is read."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_local_copy_is_listed_and_left_alone(tmp_path, out):
    root = make_cityscapes(tmp_path / "cityscapes")
    before = snapshot(root)
    manifest = json.loads(download(CITYSCAPES, "cityscapes", out, {"CITYSCAPES_DATASET": str(root)}).read_text())
    assert snapshot(root) == before
    assert [path.name for path in out.iterdir()] == ["manifest.json"]
    assert (manifest["root"], manifest["labels_root"], manifest["classes"]) == (str(root), None, None)
    assert manifest["checks"]["images"] == {"train": 2, "val": 1}
    assert manifest["images"][0] == {
        "id": "aachen_000000_000019",
        "split": "train",
        "image": "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png",
        "labels": "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png",
        "instances": "gtFine/train/aachen/aachen_000000_000019_gtFine_instanceIds.png",
        "width": 32,
        "height": 16,
        "bytes": manifest["images"][0]["bytes"],
        "sha256": manifest["images"][0]["sha256"],
        "boxes": None,
        "pixel_perfect": True,
        "group": "aachen",
    }


def test_without_data_and_account_one_line_says_what_to_do(out):
    with pytest.raises(UserError, match="CITYSCAPES_DATASET.*register at.*csDownload") as error:
        download(CITYSCAPES, "cityscapes", out, {})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("stored", ["", "{}", '{"username": "me"}', "[]"])
def test_an_unusable_account_is_none(home, out, stored):
    cityscapes.credentials().parent.mkdir(parents=True)
    cityscapes.credentials().write_text(stored)
    with pytest.raises(UserError, match="CITYSCAPES_DATASET"):
        download(CITYSCAPES, "cityscapes", out, {})


def test_the_command_does_not_wait_at_a_prompt(tmp_path):
    root = Path(cityscapes.__file__).resolve().parents[2]
    (tmp_path / "configs").mkdir()
    for name in ("params.yaml", "configs/rows.yaml", "configs/datasets.yaml"):
        (tmp_path / name).write_text((root / name).read_text().replace("dataset: synthetic ", "dataset: cityscapes "))
    (tmp_path / "dvc.yaml").touch()
    environ = {name: value for name, value in os.environ.items() if name != "CITYSCAPES_DATASET"}
    environ["PYTHONPATH"] = str(root)
    command = [sys.executable, "-m", "stages.download"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, stdin=subprocess.PIPE, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: Cityscapes is not here") and done.stderr.count("\n") == 1


def test_credentials_lie_where_cityscapesscripts_puts_them(monkeypatch, home):
    from cityscapesscripts.download import downloader

    cityscapes.credentials().parent.mkdir(parents=True)
    cityscapes.credentials().write_text('{"username": "me", "password": "secret"}')
    sent = {}

    class Session:
        def get(self, *_, **__):
            return self

        def post(self, *_, data, **__):
            sent.update(data)
            return self

        def raise_for_status(self):
            pass

        status_code = 302

    monkeypatch.setattr(downloader.requests, "Session", Session)
    downloader.login()
    assert (sent["username"], sent["password"]) == ("me", "secret")


def test_failed_download_is_one_line(monkeypatch, home, out):
    cityscapes.credentials().parent.mkdir(parents=True)
    cityscapes.credentials().write_text('{"username": "me", "password": "secret"}')
    monkeypatch.setattr(cityscapes, "DOWNLOADER", "raise Exception('Bad credentials.')")
    with pytest.raises(UserError, match=r"cannot download leftImg8bit_trainvaltest.zip .*Bad credentials") as error:
        download(CITYSCAPES, "cityscapes", out, {})
    assert "\n" not in str(error.value)


def test_downloaded_packages_are_unpacked_once_without_the_test_split(tmp_path, out):
    copy = make_cityscapes(tmp_path / "copy")
    place = out.parent / "original"
    place.mkdir(parents=True)
    for folder in ("leftImg8bit", "gtFine"):
        with zipfile.ZipFile(place / f"{folder}_trainvaltest.zip", "w") as package:
            package.writestr(f"{folder}/test/berlin/berlin_0.png", b"")
            for path in sorted((copy / folder).rglob("*.png")):
                package.write(path, path.relative_to(copy))
    manifest = json.loads(download(CITYSCAPES, "cityscapes", out, {}).read_text())
    assert Path(manifest["root"]) == place.resolve() and len(manifest["images"]) == 3
    assert not (place / "leftImg8bit" / "test").exists()
    assert not list(place.glob("*.partial"))
