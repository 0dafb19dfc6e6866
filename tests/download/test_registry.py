"""Every source is one module with one entry, imported when it is asked for."""

import subprocess
import sys

import pytest

from stages import fingerprint
from stages.analysis.naming import dataset_title
from stages.download.registry import SOURCES, DataSource, source
from stages.fields import Scenes
from stages.paths import ROOT


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_has_a_schema_a_title_and_a_finder(name):
    entry = source(name)
    assert isinstance(entry, DataSource) and callable(entry.find)
    assert issubclass(entry.schema, Scenes)
    with pytest.raises(ValueError, match="source"):
        entry.schema.model_validate({"source": "another"})
    assert (entry.place is None) == (entry.variable is None) == (name == "synthetic")
    assert dataset_title(name) == entry.title


def test_a_profile_that_is_not_a_sources_own_keeps_its_name_in_titles():
    assert [dataset_title(name) for name in ("camvid", "mine")] == ["CamVid", "mine"]


PARTS = ("stages.download", "stages.synthetic")


@pytest.mark.parametrize("stage", ["validate", "train", "evaluate", "gather", "report"])
def test_a_change_of_a_source_runs_nothing_but_download(stage):
    modules = {"validate": ["stages.validate"], **fingerprint.PROGRAMS}[stage]
    found = {name for name in fingerprint.closure(modules) if name.startswith(PARTS)}
    assert found == {"stages.download", "stages.download.registry"}


def test_download_depends_on_every_source_and_on_the_drawing_of_scenes():
    modules = set(fingerprint.closure(fingerprint.PROGRAMS["download"]))
    assert {f"stages.download.{name}" for name in SOURCES} | {"stages.synthetic.scene"} <= modules


def test_reading_the_settings_of_all_sources_imports_nothing_that_opens_pictures():
    code = "import sys; from stages import config; config.load(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert {f"stages.download.{config}" for config in ("synthetic", "camvid", "cityscapes")} <= imported
    assert not imported & {"numpy", "PIL", "pycocotools", "scipy", "dvc"}
