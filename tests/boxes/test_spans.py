"""Which training pixels a box covers, and which classes cover a pixel."""

from stages.boxes.spans import draw_covers, span


def test_spans_are_the_pixels_whose_centres_are_inside():
    assert span(0, 32, 32, 16) == slice(0, 16)
    assert span(1, 5, 32, 16) == slice(0, 2)
    assert span(2, 6, 32, 16) == slice(1, 3)
    assert span(3, 32, 32, 32) == slice(3, 32)


def test_covers_has_every_class_whose_box_covers_a_pixel_not_only_the_one_on_top():
    boxes = [(2, (4, 4, 4, 4)), (1, (0, 0, 12, 12)), (5, (6, 0, 2, 16))]
    covers = draw_covers(boxes, (16, 16), (16, 16))
    found = [covers[0, 0], covers[5, 5], covers[5, 6], covers[14, 6], covers[14, 0]]
    assert found == [0b11, 0b111, 0b100111, 0b100001, 1]
