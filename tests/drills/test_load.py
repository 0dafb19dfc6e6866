"""The drill of loads itself, small: what it makes, what it measures, and which bars it calls missed."""

import json
import os
import sys
from pathlib import Path

import pytest

from benchmarks.reliability import load
from stages import config, paths
from stages.paths import ROOT


def usage(cpu_seconds: float, mib: int = 100) -> dict[str, float]:
    return {"seconds": 2 * cpu_seconds, "cpu_seconds": cpu_seconds, "largest_mib": mib, "tree_mib": mib + 1}


def images(*seconds: float) -> dict[str, dict[str, float]]:
    sizes = (10_000, 20_000, 100_000)
    return {f"{n} images, download": usage(each) for n, each in zip(sizes, seconds, strict=True)}


def test_what_grows_in_proportion_misses_no_bar() -> None:
    result = {"experiments": {"dvc exp show, 200 finished": usage(9.9)}, "images": images(12, 22, 102)}
    result |= {"report": {"the report's pages, 25 seeds": usage(29.0)}}
    lines, missed = load.table(result)
    assert missed == []
    assert "| experiments: dvc exp show, 200 finished | 19.8 | 9.9 | 100 | 101 |" in lines
    assert lines[-1] == "CPU time an image, download: 1.00 times what it is between the two smaller sizes."


def test_each_bar_is_called_missed() -> None:
    result = {"experiments": {"make compare": usage(10.2)}, "report": {"the report": usage(31.0)}}
    result |= {"images": images(12, 22, 150) | {"10000 images, boxes": usage(1, 2048)}}
    assert load.table(result)[1] == [
        "make compare: 10 CPU s, allowed 10",
        "10000 images, boxes: 2049 MiB, allowed 2048",
        "the report: 31 CPU s, allowed 30",
        "download: 1.60 times the CPU time an image, allowed 1.2",
    ]


def test_the_memory_of_all_processes_is_measured(tmp_path: Path) -> None:
    child = "held = bytearray(60 << 20); import time; time.sleep(2)"
    both = f"import subprocess, sys; held = bytearray(40 << 20); subprocess.run([sys.executable, '-c', {child!r}])"
    found = load.measured([sys.executable, "-c", both], tmp_path)
    assert 60 <= found.largest_mib < 100 <= found.tree_mib < 180
    assert found.seconds >= 2 > found.cpu_seconds
    assert load.session_kib(os.getpid() << 10) == (0, 0)  # of a session that there is not


def test_what_failed_is_said(tmp_path: Path) -> None:
    with pytest.raises(load.UserError, match="(?s)failed in .*no-such"):
        load.measured([sys.executable, "-c", "raise SystemExit('no-such')"], tmp_path)


def test_the_pictures_are_links_to_a_few(tmp_path: Path) -> None:
    load.write_coco(tmp_path / "data", 40)
    files = list((tmp_path / "data" / "pictures").iterdir())
    assert len(files) == 40 and len({file.stat().st_ino for file in files}) == load.PICTURES
    content = json.loads((tmp_path / "data" / "instances.json").read_text())
    assert len(content["images"]) == 40 and len(content["annotations"]) == 80


@pytest.mark.integration
def test_a_load_of_images_is_downloaded_packed_and_trained(tmp_path: Path) -> None:
    found = load.images(ROOT, tmp_path, [200])
    assert list(found) == [f"200 images, {stage}" for stage in load.STAGES]
    assert found["200 images, train"]["largest_mib"] > 200  # torch is imported: the row is not left out


@pytest.mark.integration
@pytest.mark.slow
def test_a_load_of_experiments_is_shown(tmp_path: Path) -> None:
    found = load.experiments(ROOT, tmp_path / "clone", 3)
    assert len(found) == 6
    refs = (tmp_path / "clone" / ".git" / "refs" / "exps").rglob("load-*")
    assert {ref.name for ref in refs} == {"load-0", "load-1", "load-2"}


@pytest.mark.integration
def test_a_report_of_several_seeds_is_written(tmp_path: Path) -> None:
    found = load.report(tmp_path / "project", 3)
    assert list(found) == ["the report's pages, 3 seeds", "the notebook of tables, 3 seeds"]
    page = (paths.reports(tmp_path / "project") / "index.html").read_text(encoding="utf-8")
    assert "n = 3" in page and config.load(tmp_path / "project").params.seeds == (0, 1, 2)
    assert (paths.reports(tmp_path / "project") / "tables.html").is_file()
