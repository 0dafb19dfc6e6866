"""What the report calls datasets, recipes and classes: the one place."""

from collections.abc import Sequence

from stages.download.registry import SOURCES, source

RECIPE_NAMES = {"paper": "literal", "stable": "stable"}
PAPER_CLASSES = ("background", "car", "person")
"""The classes of the paper's numbers. On every dataset they stand for the classes at their places, so that `car` is the
first class of nuclei, too."""
FIRST = PAPER_CLASSES[1]
CLASS_NAMES = {"mean": "Mean", "background": "BG"}
"""Column heads by class, as in the paper's Table 3, where it is not the class's own name."""


def class_name(label: str, classes: Sequence[str]) -> str:
    """Return the name that a dataset with these classes, by value, has for one of the paper's."""
    place = PAPER_CLASSES.index(label) if label in PAPER_CLASSES else len(classes)
    return classes[place] if place < len(classes) else label


def sentence(text: str) -> str:
    """Return a text with its first letter as a capital, and the others as they are: names keep theirs."""
    return text[:1].upper() + text[1:]


def class_head(label: str, classes: Sequence[str] = PAPER_CLASSES) -> str:
    """Return the head of a class's column; of `mean`, that of the mean over classes."""
    name = class_name(label, classes)
    return CLASS_NAMES.get(name, sentence(name))


def dataset_title(dataset: str) -> str:
    """Return how titles name a dataset: a source's own profile by the source's title, any other by its own name."""
    return source(dataset).title if dataset in SOURCES else dataset
