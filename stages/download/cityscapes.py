"""Cityscapes: leftImg8bit/<split>/<city>/ and gtFine/<split>/<city>/, the user's copy or through cityscapesScripts."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import appdirs

from stages.download import checks, user_paths
from stages.download.checks import Pair
from stages.download.manifest import Source
from stages.errors import UserError

PUBLISHED = {"train": 2975, "val": 500}
KNOWN_IDS = frozenset(range(34))  # cityscapesscripts.helpers.labels, but for -1, which is never drawn
FOLDERS = ("leftImg8bit", "gtFine")
NEEDED = tuple(f"{folder}/{split}" for folder in FOLDERS for split in PUBLISHED)
DOWNLOADER = "from cityscapesscripts.download.downloader import main; main()"


def find(folder: Path, environ: Mapping[str, str] = os.environ) -> Source:
    """Find the photographs of CITYSCAPES_DATASET, else download them with the user's account into `folder`.

    Raises:
        UserError: CITYSCAPES_DATASET is no Cityscapes, there is no account to download with, the download fails, or a
            photograph lacks its labels.
    """
    root = user_paths.user_path("CITYSCAPES_DATASET", environ, NEEDED)
    if root is None:
        place = user_paths.cache_dir(folder, environ) / "original"
        with user_paths.exclusive_lock(place):
            root = fetch(place)
    return source(root, PUBLISHED)


def source(root: Path, published: dict[str, int] | None) -> Source:
    """Return the pairs of photographs, label ids and instance ids of train and val under `root`.

    Raises:
        UserError: a photograph lacks its labels, or the other way round.
    """
    pairs, labels = [], []
    for split in PUBLISHED:
        for path in sorted((root / "leftImg8bit" / split).glob("*/*_leftImg8bit.png")):
            name, city = path.name.removesuffix("_leftImg8bit.png"), path.parent.name
            stem = f"gtFine/{split}/{city}/{name}_gtFine"
            image = f"leftImg8bit/{split}/{city}/{path.name}"
            pairs.append(Pair(name, split, image, f"{stem}_labelIds.png", f"{stem}_instanceIds.png"))
        found = (root / "gtFine" / split).glob("*/*_gtFine_labelIds.png")
        labels += [path.relative_to(root).as_posix() for path in found]
    complete = checks.complete(root, pairs, labels, required=PUBLISHED)
    return Source("cityscapes", root, complete, KNOWN_IDS, published)


def credentials() -> Path:
    """Return where cityscapesScripts' `csDownload` keeps the user's name and password."""
    return Path(appdirs.user_data_dir("cityscapesscripts", "cityscapes")) / "credentials.json"


def fetch(place: Path) -> Path:
    """Download and unpack both packages (11.6 GB) into `place`, unless they lie there; interrupted ones are resumed.

    Raises:
        UserError: there are no stored credentials (the downloader would wait at a prompt), or the download fails.
    """
    for folder in FOLDERS:
        if (place / folder).is_dir():
            continue
        package = place / f"{folder}_trainvaltest.zip"
        if not zipfile.is_zipfile(package):
            _check_credentials()
            place.mkdir(parents=True, exist_ok=True)
            _download(package)
        _unpack(package, place / folder)
    return place


def _check_credentials() -> None:
    path = credentials()
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        complete = bool(stored["username"] and stored["password"])
    except (OSError, ValueError, KeyError, TypeError):
        complete = False
    if not complete:
        raise UserError(
            "Cityscapes is not here: set CITYSCAPES_DATASET to a local copy (with leftImg8bit/ and gtFine/), or "
            f"register at cityscapes-dataset.com, run `csDownload -l` once and let it store your account (in {path})"
        )


def _download(package: Path) -> None:
    """Run cityscapesScripts' own downloader, without a terminal to ask at."""
    command = [sys.executable, "-c", DOWNLOADER, "--resume", "--destination_path", str(package.parent), package.name]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines() or ["no reason given"]
        raise UserError(
            f"cannot download {package.name} ({reason[-1][:200]}); run again to resume, or set CITYSCAPES_DATASET"
        )


def _unpack(package: Path, folder: Path) -> None:
    """Unpack train and val of one package into `folder`, which appears only when it is complete."""
    unfinished = folder.with_name(f"{folder.name}.partial")
    wanted = tuple(f"{folder.name}/{split}/" for split in PUBLISHED)
    try:
        with zipfile.ZipFile(package) as archive:
            archive.extractall(unfinished, [name for name in archive.namelist() if name.startswith(wanted)])
    except (zipfile.BadZipFile, EOFError) as error:
        raise UserError(f"{package}: cannot be unpacked ({error}); delete it and run again") from None
    (unfinished / folder.name).rename(folder)
    unfinished.rmdir()
