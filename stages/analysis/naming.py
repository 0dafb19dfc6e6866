"""What the report calls datasets, recipes and classes: the one place."""

TITLES = {"synthetic": "synthetic street scenes", "camvid": "CamVid", "cityscapes": "Cityscapes"}
RECIPE_NAMES = {"paper": "literal", "stable": "stable"}
CLASS_NAMES = {"mean": "Mean", "background": "BG", "car": "Car", "person": "Person"}
"""Column heads by class, as in the paper's Table 3; `mean` is the mean over classes."""


def dataset_title(dataset: str) -> str:
    """Return how titles name a dataset; a profile that the project does not know keeps its own name."""
    return TITLES.get(dataset, dataset)
