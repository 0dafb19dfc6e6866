"""Which validation pictures the figures show."""

import numpy as np

from stages.evaluate.pictures import choose_pictures


def _masks(count):
    masks = np.zeros((count, 20, 20), np.uint8)
    masks[:, 15:] = 255
    return masks


def test_large_cars_and_persons_are_chosen_in_each_part_of_the_set():
    masks = _masks(12)
    masks[[1, 2, 5, 7, 8, 10], :4, :4] = 1
    masks[10, 10:12, 10:12] = 2
    assert choose_pictures(masks, 6).tolist() == [1, 2, 5, 7, 8, 10]


def test_both_classes_beat_one_that_is_a_little_larger():
    masks = _masks(2)
    masks[0, :10, :10] = 1
    masks[1, :9, :9] = 1
    masks[1, 10:14, 10:14] = 2
    assert choose_pictures(masks, 1).tolist() == [1]


def test_the_first_of_equals_and_no_more_than_there_are():
    assert choose_pictures(_masks(9), 3).tolist() == [0, 3, 6]
    assert choose_pictures(_masks(2), 6).tolist() == [0, 1]
