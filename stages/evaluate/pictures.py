"""The validation images of Figures 2 and 3, chosen from the masks alone, so the same for every row and seed."""

import numpy as np

from stages.arrays import CLASSES

N_PICTURES = 6
CAR, PERSON = CLASSES.index("car"), CLASSES.index("person")


def choose_pictures(masks: np.ndarray, n_pictures: int = N_PICTURES) -> np.ndarray:
    """Choose images with large cars and persons, spread over the dataset.

    The images are cut into `n_pictures` runs of neighbours, which come from the same city or drive. Of each run the one
    with the largest sqrt(car pixels) + sqrt(person pixels) is taken, the first of equals. The root keeps one huge car
    from outweighing a scene that shows both classes.

    Args:
        masks: (N, H, W) uint8, packed masks, 1 car, 2 person.
        n_pictures: How many to choose.

    Returns:
        (min(N, n_pictures),) int64 indices, ascending.
    """
    score = np.array([np.sqrt((mask == CAR).sum()) + np.sqrt((mask == PERSON).sum()) for mask in masks])
    runs = np.array_split(np.arange(len(masks)), min(len(masks), n_pictures))
    return np.array([run[score[run].argmax()] for run in runs], dtype=np.int64)
