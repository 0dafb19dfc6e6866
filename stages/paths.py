"""Every place on disk that more than one package uses. All paths are absolute and start at a project root.

`ROOT` is the working directory when that is a project (it holds dvc.yaml), so that a clone or one of DVC's temporary
copies works on its own files; else the folder that this package lies in.
"""

import os
from pathlib import Path

ROOT = Path.cwd() if Path("dvc.yaml").is_file() else Path(__file__).resolve().parent.parent


def rows(root: Path = ROOT) -> Path:
    """Return the file with every row to train."""
    return root / "configs" / "rows.yaml"


def datasets(root: Path = ROOT) -> Path:
    """Return the file with a profile for each dataset."""
    return root / "configs" / "datasets.yaml"


def valid(root: Path = ROOT) -> Path:
    """Return the constant file that says that the user's three files were checked."""
    return root / "data" / "valid.txt"


def code(root: Path = ROOT) -> Path:
    """Return the folder with a hash of the code of each stage, see stages/fingerprint.py."""
    return root / "data" / "code"


def source(dataset: str, root: Path = ROOT) -> Path:
    """Return the file that says where a dataset's data lie, see stages/download/place.py."""
    return root / "data" / dataset / "source.json"


def scenes(dataset: str, root: Path = ROOT) -> Path:
    """Return the folder that `download` writes."""
    return root / "data" / dataset / "scenes"


def manifest(dataset: str, root: Path = ROOT) -> Path:
    """Return the list of a dataset's images, labels and instances, with sizes and checksums."""
    return scenes(dataset, root) / "manifest.json"


def packed(dataset: str, root: Path = ROOT) -> Path:
    """Return the folder that `boxes` writes: COCO boxes, split, statistics and the arrays at training size."""
    return root / "data" / dataset / "packed"


def proposals(dataset: str, root: Path = ROOT) -> Path:
    """Return the folder that `proposals` writes: labels inside boxes by methods that need no training."""
    return root / "data" / dataset / "proposals"


def run(row: str, seed: int, root: Path = ROOT) -> Path:
    """Return the folder of one training and its evaluation."""
    return root / "runs" / row / f"seed-{seed}"


def train(row: str, seed: int, root: Path = ROOT) -> Path:
    """Return the folder with what a training gives, the same bytes whenever it is repeated on one machine."""
    return run(row, seed, root) / "train"


def record(row: str, seed: int, root: Path = ROOT) -> Path:
    """Return the file that says how, where, when and how fast a run was trained."""
    return run(row, seed, root) / "record.json"


def evaluate(row: str, seed: int, root: Path = ROOT) -> Path:
    """Return the folder with a run's metrics and its pictures of validation images."""
    return run(row, seed, root) / "evaluate"


def results(root: Path = ROOT) -> Path:
    """Return the folder with one gathered file per row."""
    return root / "results"


def result(row: str, root: Path = ROOT) -> Path:
    """Return the file with all runs of one row, gathered."""
    return results(root) / f"{row}.json"


def plots(root: Path = ROOT) -> Path:
    """Return the folder of the tables that `dvc plots` draws."""
    return results(root) / "plots"


def metrics(root: Path = ROOT) -> Path:
    """Return the file with the few headline numbers that `dvc exp show` prints."""
    return root / "metrics.json"


def reports(root: Path = ROOT) -> Path:
    """Return the folder with executed notebooks, their pages, tables and index.html."""
    return root / "reports"


def checkpoints(root: Path = ROOT) -> Path:
    """Return where interrupted trainings wait: outside of DVC's outs, shared by queued runs (`$DVC_ROOT`)."""
    return Path(os.environ.get("DVC_ROOT") or root) / ".checkpoints"


def reset(file: Path) -> Path:
    """Delete `file`, which may be a link into DVC's cache, and return its path for writing."""
    file.unlink(missing_ok=True)
    return file
