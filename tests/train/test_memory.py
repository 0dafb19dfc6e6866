"""A dataset larger than memory trains: its arrays stay memory maps, of which a step reads what it draws."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from stages import arrays, paths

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 1 << 30  # bytes that a process may hold of its own; memory maps of files do not count
IMAGES = 24_000  # of 160x120: 1.4 GB of pictures, 0.5 GB of masks and 2.7 GB of targets and box numbers


@pytest.fixture
def large(project: Path) -> Path:
    """The project with many more images, black ones, in files with holes: on disk they take nearly nothing."""
    folder = paths.packed("synthetic", project)
    counts, size = {"train": IMAGES, "val": 1}, (160, 120)
    arrays.create(folder, counts, size)
    record = {
        f"{split}/{name}": {"shape": list(shape), "dtype": dtype, "sha256": ""}
        for split, count in counts.items()
        for name, (shape, dtype) in arrays.specs(count, size).items()
    }
    names = {split: [f"{split}{i}" for i in range(count)] for split, count in counts.items()}
    arrays.write_json(folder / "split.json", names | {"pp_order": list(range(IMAGES))})
    arrays.write_json(folder / "arrays.json", record)
    (project / "dvc.yaml").touch()  # what makes a folder a project
    return project


def limited(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with at most LIMIT bytes of its own."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT)),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not limit a process's own memory")
@pytest.mark.parametrize("row", ["bce-2780", "bootstrap-500-2280-stable"])
def test_a_dataset_larger_than_the_memory_allowed_trains(large: Path, row: str) -> None:
    pictures = paths.packed("synthetic", large) / "train" / "images.npy"
    read = limited("-c", f"import numpy; numpy.load({str(pictures)!r})", cwd=large)
    assert "MemoryError" in read.stderr, "the limit is no limit: the pictures alone fit in it"

    trained = limited("-m", "stages.train", "--row", row, "--seed", "0", cwd=large)
    assert trained.returncode == 0, trained.stderr
    assert len((paths.train(row, 0, large) / "history.jsonl").read_text().splitlines()) > 0
