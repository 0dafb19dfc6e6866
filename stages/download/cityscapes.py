"""Cityscapes: leftImg8bit/<split>/<city>/ and gtFine/<split>/<city>/, the user's copy or through cityscapesScripts."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import appdirs

from stages.download import user_paths
from stages.download.listing import Listing, Pair, complete
from stages.download.registry import DataSource
from stages.download.user_paths import Place
from stages.errors import UserError
from stages.fields import Scenes

TITLE, VARIABLE = "Cityscapes", "CITYSCAPES_DATASET"
PUBLISHED = {"train": 2975, "val": 500}
KNOWN_IDS = frozenset(range(34))  # cityscapesscripts.helpers.labels, but for -1, which is never drawn
INSTANCE_IDS = frozenset(range(24, 34))  # person ... bicycle
FOLDERS = ("leftImg8bit", "gtFine")
NEEDED = tuple(f"{folder}/{split}" for folder in FOLDERS for split in PUBLISHED)
DOWNLOADER = "from cityscapesscripts.download.downloader import main; main()"


class CityscapesScenes(Scenes):
    """The photographs of Cityscapes."""

    source: Literal["cityscapes"]


def place(scenes: CityscapesScenes, out: Path, environ: Mapping[str, str]) -> Place:
    """Return the photographs of CITYSCAPES_DATASET, else download them with the user's account into data/cityscapes.

    Raises:
        UserError: CITYSCAPES_DATASET is no Cityscapes, there is no account to download with, or the download fails.
    """
    root = user_paths.user_path(VARIABLE, environ, NEEDED)
    if root is None:
        root = user_paths.cache_dir(out.parent, environ) / "original"
        with user_paths.exclusive_lock(root):
            fetch(root)
    return Place(root, tuple(root / name for name in NEEDED))


def find(scenes: CityscapesScenes, out: Path, environ: Mapping[str, str]) -> Listing:
    """Return the pairs of photographs, label ids and instance ids of train and val.

    Raises:
        UserError: a photograph lacks its labels, or the other way round; or as `place`.
    """
    return pairs_of(place(scenes, out, environ).root, INSTANCE_IDS, PUBLISHED)


def pairs_of(root: Path, instance_ids: frozenset[int], published: dict[str, int] | None) -> Listing:
    """Return what lies under `root` in Cityscapes' folders.

    Args:
        root: The folder of leftImg8bit and gtFine.
        instance_ids: Label ids whose objects have instance ids.
        published: Images of the complete release, by split.

    Raises:
        UserError: a photograph lacks its labels, or the other way round.
    """
    pairs, labels = [], []
    for split in PUBLISHED:
        for path in user_paths.files(root / "leftImg8bit" / split, depth=2):
            name, city = path.name.removesuffix("_leftImg8bit.png"), path.parent.name
            if name != path.name:
                stem = f"gtFine/{split}/{city}/{name}_gtFine"
                image = f"leftImg8bit/{split}/{city}/{path.name}"
                pairs.append(Pair(name, split, image, f"{stem}_labelIds.png", f"{stem}_instanceIds.png", group=city))
        found = user_paths.files(root / "gtFine" / split, depth=2)
        labels += [path.relative_to(root).as_posix() for path in found if path.name.endswith("_gtFine_labelIds.png")]
    checked = complete(root, pairs, labels, required=PUBLISHED)
    return Listing("cityscapes", root, checked, KNOWN_IDS, instance_ids, published=published)


def credentials() -> Path:
    """Return where cityscapesScripts' `csDownload` keeps the user's name and password."""
    return Path(appdirs.user_data_dir("cityscapesscripts", "cityscapes")) / "credentials.json"


def fetch(place: Path) -> None:
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


SOURCE = DataSource(CityscapesScenes, TITLE, find, place, VARIABLE)
