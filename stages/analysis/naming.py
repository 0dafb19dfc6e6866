"""What the report calls datasets, recipes and classes: the one place."""

from stages.download.registry import SOURCES, source

RECIPE_NAMES = {"paper": "literal", "stable": "stable"}
CLASS_NAMES = {"mean": "Mean", "background": "BG", "car": "Car", "person": "Person"}
"""Column heads by class, as in the paper's Table 3; `mean` is the mean over classes."""


def dataset_title(dataset: str) -> str:
    """Return how titles name a dataset: a source's own profile by the source's title, any other by its own name."""
    return source(dataset).title if dataset in SOURCES else dataset
