"""The validation images of Figures 2 and 3, chosen from the masks alone, so the same for every row and seed."""

import numpy as np

N_PICTURES = 6


def choose_pictures(masks: np.ndarray, n_pictures: int = N_PICTURES) -> np.ndarray:
    """Choose images with large things of the first two classes, spread over the dataset.

    The images are cut into `n_pictures` runs of neighbours, which come from the same city or drive. Of each run the one
    with the largest sqrt(pixels of the first) + sqrt(pixels of the second) is taken, the first of equals. The root
    keeps one huge thing from outweighing a scene that shows both classes.

    Args:
        masks: (N, H, W) uint8, packed masks, 1 and 2 the classes.
        n_pictures: How many to choose.

    Returns:
        (min(N, n_pictures),) int64 indices, ascending.
    """
    score = np.array([np.sqrt((mask == 1).sum()) + np.sqrt((mask == 2).sum()) for mask in masks])
    runs = np.array_split(np.arange(len(masks)), min(len(masks), n_pictures))
    return np.array([run[score[run].argmax()] for run in runs], dtype=np.int64)
