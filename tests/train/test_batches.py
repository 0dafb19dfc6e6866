from dataclasses import replace

import numpy as np
import pytest
import torch

from stages import arrays
from stages.config import Overrides, Row
from stages.model.consistency import alike
from stages.model.network import label_maps, mirrored_maps
from stages.train import batches
from stages.train.batches import Batches, fill_range, fill_rate, label_shares, plan

PP, BOX = np.arange(5), np.arange(5, 24)
MIXED = Row(classes="one", loss="bce", pp=500, box=2280)


def test_every_step_draws_a_batch_and_a_quarter_of_the_draws_is_pixel_perfect():
    drawn = plan(PP, BOX, steps=2000, batch_size=8, seed=0, pp_chance=0.25)
    assert drawn.image.shape == (2000, 8)
    assert np.isin(drawn.image[drawn.pixel_perfect], PP).all()
    assert np.isin(drawn.image[~drawn.pixel_perfect], BOX).all()
    assert drawn.pixel_perfect.mean() == pytest.approx(0.25, abs=0.01)
    without = (~drawn.pixel_perfect).all(axis=1).mean()
    assert without == pytest.approx(0.75**8, abs=0.02)  # a coin per image leaves 10 % of the batches without one


def test_the_fixed_sampler_puts_the_same_number_into_every_batch():
    drawn = plan(PP, BOX, steps=50, batch_size=8, seed=0, pp_chance=0.25, sampler="fixed")
    assert (drawn.pixel_perfect.sum(axis=1) == 2).all()


def test_the_fixed_sampler_never_drops_a_kind():
    for batch_size, chance in [(2, 0.1), (8, 0.95), (2, 0.9)]:
        drawn = plan(PP, BOX, steps=5, batch_size=batch_size, seed=0, pp_chance=chance, sampler="fixed")
        share = drawn.pixel_perfect.mean(axis=1)
        assert ((share > 0) & (share < 1)).all()


def test_each_pool_is_gone_through_before_it_repeats():
    drawn = plan(PP, BOX, steps=100, batch_size=8, seed=3)
    for pool, draws in [(PP, drawn.image[drawn.pixel_perfect]), (BOX, drawn.image[~drawn.pixel_perfect])]:
        for start in range(0, len(draws) - len(pool), len(pool)):
            assert sorted(draws[start : start + len(pool)]) == sorted(pool)


def test_one_pool_rows_draw_from_it_alone_and_a_warm_up_draws_pixel_perfect_images_alone():
    assert plan(PP, BOX[:0], steps=10, batch_size=8, seed=0).pixel_perfect.all()
    assert not plan(PP[:0], BOX, steps=10, batch_size=8, seed=0).pixel_perfect.any()
    drawn = plan(PP, BOX, steps=100, batch_size=8, seed=0, warmup_share=0.3)
    assert drawn.pixel_perfect[:30].all()
    assert not drawn.pixel_perfect[30:].all(axis=1).all()


def test_the_plan_depends_on_the_seed_alone():
    first, again, other = (plan(PP, BOX, steps=20, batch_size=8, seed=s, horizontal_flip=0.5) for s in (0, 0, 1))
    assert (first.image == again.image).all()
    assert (first.mirrored == again.mirrored).all()
    assert (first.image != other.image).any()
    assert 0.3 < first.mirrored.mean() < 0.7


def test_a_batch_brings_masks_of_pixel_perfect_draws_and_box_targets_of_the_others(packed):
    drawn = plan(PP, BOX, steps=20, batch_size=8, seed=0, horizontal_flip=0.5)
    batches = Batches(packed, MIXED, PP, drawn, torch.device("cpu"))
    split = packed.train
    for step in range(20):
        images, labels = batches[step]
        for k, (i, pp, mirrored) in enumerate(
            zip(drawn.image[step], drawn.pixel_perfect[step], drawn.mirrored[step], strict=True)
        ):
            turn = (lambda a: a[:, ::-1]) if mirrored else (lambda a: a)
            mask = np.where(
                split.masks("few")[i] == 2, 0, split.masks("few")[i]
            )  # a person is background in the binary task
            assert (images[k].numpy() == turn(split.images[i])).all()
            assert (labels.target[k].numpy() == turn(mask if pp else split.targets("one")[i])).all()
            assert (labels.box[k].numpy() == (0 if pp else turn(split.indices("one")[i]))).all()


@pytest.mark.parametrize("copied", [True, False])
def test_a_batch_is_what_a_loop_over_its_draws_makes(settings, packed, copied, monkeypatch):
    """The gathers of `Batches` against one image at a time, from arrays put on the device and from memory maps."""
    monkeypatch.setattr(batches, "_fits", lambda *_: copied)
    row = settings.rows["ce-500-2280"]
    pp, box = arrays.pools(packed, row)
    drawn = plan(pp, box, steps=5, batch_size=6, seed=1, horizontal_flip=0.5, pp_chance=0.5)
    made, split = Batches(packed, row, pp, drawn, torch.device("cpu")), packed.train
    assert len(made) == 5
    for step in range(5):
        images, labels = made[step]
        for place, (index, clean, mirrored) in enumerate(
            zip(drawn.image[step], drawn.pixel_perfect[step], drawn.mirrored[step], strict=True)
        ):
            target = split.masks("few")[index] if clean else split.targets("few")[index]
            number = np.zeros_like(target) if clean else split.indices("few")[index]
            way = slice(None, None, -1 if mirrored else 1)
            np.testing.assert_array_equal(images[place], split.images[index][:, way])
            np.testing.assert_array_equal(labels.target[place], target[:, way])
            np.testing.assert_array_equal(labels.box[place], number[:, way])


def test_processes_take_every_draw_of_a_batch_once(packed):
    drawn = plan(PP, BOX, steps=12, batch_size=4, seed=0, pp_chance=0.25, horizontal_flip=0.5)
    whole, parts = Batches(packed, MIXED, PP, drawn, torch.device("cpu")), []
    for rank in range(3):
        parts.append(Batches(packed, MIXED, PP, drawn.of_rank(rank, 3), torch.device("cpu"))[3])
    assert [len(images) for images, _ in parts] == [2, 1, 1]
    images, labels = whole[3]
    for key, of_whole in (("image", images), ("target", labels.target), ("box", labels.box)):
        of_parts = [x[0] if key == "image" else getattr(x[1], key) for x in parts]
        assert sorted(i.sum().item() for part in of_parts for i in part) == sorted(i.sum().item() for i in of_whole)


def test_a_quantile_of_the_fill_rate_is_of_boxes(packed):
    row = Row(classes="one", loss="bootstrap", pp=500, box=2280, recipe="stable")
    pp, split, rates = packed.pp_order, packed.train, []
    for i in pp:
        boxed = (split.targets("one")[i] > 0) & (split.masks("few")[i] != arrays.VOID)  # one car in each image
        rates.append((split.masks("few")[i][boxed] == 1).mean())
    assert len(set(rates)) > 3
    for quantile in (0.0, 0.1, 1.0):
        assert fill_rate(packed, row, pp, quantile) == pytest.approx((1.0, np.quantile(rates, quantile)))
    assert fill_rate(packed, row, pp[:0], 0.1) == (1.0, 1.0)


def test_the_fill_rate_is_measured_on_the_pixel_perfect_images_without_void(packed):
    row = Row(classes="few", loss="ce", pp=500, box=2280)
    pp = packed.pp_order[:7]
    right, total = {1: 0, 2: 0}, {1: 0, 2: 0}
    for i in pp:
        for target, mask in zip(packed.train.targets("few")[i].flat, packed.train.masks("few")[i].flat, strict=True):
            if target and mask != arrays.VOID:
                total[int(target)] += 1
                right[int(target)] += int(mask == target)
    assert fill_rate(packed, row, pp) == pytest.approx((1.0, right[1] / total[1], right[2] / total[2]))
    assert fill_rate(packed, row, pp[:0]) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("name", ["bce-2780", "bce-0-2780", "bce-500-2280", "ce-500-2280"])
def test_label_shares_are_of_the_labels_that_the_row_is_trained_on(name, packed, settings):
    row = settings.rows[name]
    pp, box = arrays.pools(packed, row)
    labels = np.concatenate(
        [
            arrays.task_masks(packed.train.masks("few")[pp], len(packed.classes.names(row.classes))).ravel(),
            packed.train.targets(row.classes)[box].ravel(),
        ]
    )
    known = labels[labels != arrays.VOID]
    shares = label_shares(packed, row, pp, box)
    assert sum(shares) == pytest.approx(1)
    assert shares == pytest.approx(
        [(known == c).mean() for c in range(len(packed.classes.names(row.classes)))], abs=1e-3
    )


def test_a_class_without_a_label_has_a_share_above_zero(packed, settings):
    row = settings.rows["ce-2780"]
    nothing = np.array([], np.int64)
    assert label_shares(packed, row, nothing, nothing) == pytest.approx([1 / 3] * 3)


def test_classes_without_boxes_have_no_fill_rate_and_box_images_do_not_say_how_many_pixels_they_have(packed):
    """The person's class becomes one with masks only: what its boxes' task is called `all` has one class with boxes."""
    row = Row(classes="all", loss="ce", pp=500, box=2280)
    classes = arrays.Classes(("car",), ("grass",))
    maps = {f"{kind}-all": packed.train.maps[f"{kind}-one"] for kind in ("targets", "indices")}
    maps["masks-all"] = packed.train.masks("few")
    split = replace(packed.train, classes=classes, maps=maps)
    some = replace(packed, contents=replace(packed.contents, classes=classes), train=split)
    pp, box = np.arange(4), np.arange(4, 10)
    _, one, grass = fill_rate(some, row, pp)
    assert one == pytest.approx(fill_rate(packed, Row(classes="one", loss="bce", pp=500, box=2280), pp)[1])
    assert grass == 1.0
    masks, targets = packed.train.masks("few")[pp], packed.train.targets("one")[box]
    counts = [1 + (masks == 0).sum(), 1 + (masks == 1).sum() + (targets == 1).sum(), 1 + (masks == 2).sum()]
    assert label_shares(some, row, pp, box) == pytest.approx(np.array(counts) / sum(counts))


def test_what_covers_a_pixel_turns_with_its_image_where_the_recipe_asks(packed, monkeypatch):
    maps = (
        np.arange(np.prod(packed.train.masks("few").shape)).reshape(packed.train.masks("few").shape).astype(np.uint16)
    )
    monkeypatch.setattr("stages.train.batches.covers", lambda opened, task, indices: maps[indices])
    row = Row(classes="few", loss="ce_bootstrap", pp=500, box=2280, recipe="paper")
    pp, box = arrays.pools(packed, row)
    drawn = plan(pp, box, steps=3, batch_size=4, seed=0, horizontal_flip=0.5)
    assert Batches(packed, row, pp, drawn, torch.device("cpu"))[0][1].covers is None
    asks = row.model_copy(update={"overrides": Overrides(flip_to="covered")})
    batches = Batches(packed, asks, pp, drawn, torch.device("cpu"))
    assert drawn.mirrored.any()
    for step in range(3):
        for k, (index, mirrored) in enumerate(zip(drawn.image[step], drawn.mirrored[step], strict=True)):
            expected = maps[index][:, ::-1] if mirrored else maps[index]
            np.testing.assert_array_equal(batches[step][1].covers[k].numpy(), expected)


def test_the_boxes_of_pixel_perfect_images_come_along_where_the_recipe_asks(packed):
    row = Row(classes="one", loss="bootstrap", pp=500, box=2280, recipe="paper")
    pp, _ = pools = arrays.pools(packed, row)
    drawn = plan(*pools, steps=6, batch_size=4, seed=0, horizontal_flip=0.5)
    assert Batches(packed, row, pp, drawn, torch.device("cpu"))[0][1].own_box_target is None
    asks = row.model_copy(update={"overrides": Overrides(own_boxes=True)})
    batches = Batches(packed, asks, pp, drawn, torch.device("cpu"))
    assert (drawn.mirrored & drawn.pixel_perfect).any()
    for step in range(6):
        labels = batches[step][1]
        for k, (index, mirrored, clean) in enumerate(
            zip(drawn.image[step], drawn.mirrored[step], drawn.pixel_perfect[step], strict=True)
        ):
            box_target = packed.train.targets("one")[index] * (packed.train.indices("one")[index] > 0) * int(clean)
            expected = box_target[:, ::-1] if mirrored else box_target
            np.testing.assert_array_equal(labels.own_box_target[k].numpy(), expected)
        assert (labels.box[labels.pixel_perfect] == 0).all()


def test_the_box_labels_of_all_images_come_along_for_a_variance_that_sees_them(packed):
    row = Row(classes="few", loss="ce_bootstrap", pp=500, box=2280, recipe="paper")
    pools = arrays.pools(packed, row)
    drawn = plan(*pools, steps=6, batch_size=4, seed=0, horizontal_flip=0.5)
    assert Batches(packed, row, pools[0], drawn, torch.device("cpu"))[0][1].label_maps is None
    asks = row.model_copy(update={"overrides": Overrides(variance_sees="label")})
    batches = Batches(packed, asks, pools[0], drawn, torch.device("cpu"))
    assert drawn.mirrored.any() and drawn.pixel_perfect.any() and not drawn.pixel_perfect.all()
    for step in range(6):
        given, numbers = (
            torch.from_numpy(np.array(maps("few")[drawn.image[step]]).astype(np.int64))
            for maps in (packed.train.targets, packed.train.indices)
        )
        expected = label_maps(given, numbers, 2)
        mirrored = torch.from_numpy(drawn.mirrored[step])
        expected[mirrored] = mirrored_maps(expected[mirrored])
        torch.testing.assert_close(batches[step][1].label_maps, expected)


def test_pairs_of_box_images_come_along_where_the_recipe_asks(packed):
    row = Row(classes="one", loss="bootstrap", pp=500, box=2280, recipe="paper")
    pools = arrays.pools(packed, row)
    drawn = plan(*pools, steps=4, batch_size=4, seed=0, horizontal_flip=0.5)
    assert Batches(packed, row, pools[0], drawn, torch.device("cpu"))[0][1].agreeing is None
    asks = row.model_copy(update={"overrides": Overrides(pairs=1.0)})
    batches = Batches(packed, asks, pools[0], drawn, torch.device("cpu"))
    for step in range(4):
        images, labels = batches[step]
        expected = alike(images, labels.box > 0, labels.target != arrays.VOID)
        assert torch.equal(labels.agreeing, expected)
        assert not labels.agreeing[labels.pixel_perfect].any()


def test_the_range_of_fill_rates_is_that_of_the_first_classs_boxes(packed):
    row = Row(classes="few", loss="ce", pp=500, box=2280)
    pp = np.arange(packed.train.images.shape[0])
    rates = []
    for i in pp:
        target, box, mask = (
            x[i] for x in (packed.train.targets("few"), packed.train.indices("few"), packed.train.masks("few"))
        )
        for number in np.unique(box[(box > 0) & (target == 1)]):
            inside = (box == number) & (mask != 255)
            if inside.any():
                rates.append((mask[inside] == 1).mean())
    assert fill_range(packed, row, pp) == pytest.approx((np.quantile(rates, 0.1), np.quantile(rates, 0.9)))
    assert fill_range(packed, row, pp[:0]) == (0.01, 0.99)


def test_an_oracle_has_the_masks_inside_the_boxes_of_box_images_and_nothing_else(packed):
    row = Row(classes="one", loss="bce", pp=500, box=2280, oracle=True)
    pp, box = arrays.pools(packed, row)
    drawn = plan(pp, box, steps=6, batch_size=4, seed=0, horizontal_flip=0.5)
    batches, plain = (
        Batches(packed, one, pp, drawn, torch.device("cpu")) for one in (row, row.model_copy(update={"oracle": False}))
    )
    changed = 0
    for step in range(6):
        found, usual = batches[step][1], plain[step][1]
        for k, (index, mirrored) in enumerate(zip(drawn.image[step], drawn.mirrored[step], strict=True)):
            mask = arrays.task_masks(packed.train.masks("one")[index], 2).astype(np.int64)
            mask = torch.from_numpy(np.ascontiguousarray(mask[:, ::-1] if mirrored else mask))
            inside = usual.box[k] > 0
            assert torch.equal(found.target[k][inside], mask[inside])
            assert torch.equal(found.target[k][~inside], usual.target[k][~inside])
            changed += int((found.target[k] != usual.target[k]).sum())
    assert changed


def test_proposals_are_the_labels_inside_the_boxes_of_box_images_and_nowhere_else(packed):
    row = Row(classes="one", loss="bce", pp=500, box=2280, labels="grabcut")
    pp, box = arrays.pools(packed, row)
    drawn = plan(pp, box, steps=6, batch_size=4, seed=0, horizontal_flip=0.5)
    maps = np.random.default_rng(0).integers(0, 2, packed.train.images.shape[:3], np.uint8)
    found, usual = (Batches(packed, row, pp, drawn, torch.device("cpu"), given) for given in (maps, None))
    for step in range(6):
        ours, plain = found[step][1], usual[step][1]
        for k, (index, mirrored) in enumerate(zip(drawn.image[step], drawn.mirrored[step], strict=True)):
            inside = plain.box[k] > 0
            of_image = torch.from_numpy(np.ascontiguousarray(maps[index][:, ::-1] if mirrored else maps[index])).long()
            assert torch.equal(ours.target[k], torch.where(inside, of_image, plain.target[k]))
    shares, of_boxes = (label_shares(packed, row, pp, box, given) for given in (maps, None))
    assert shares[1] != of_boxes[1]
    known = [arrays.task_masks(packed.train.masks("one")[i], 2) for i in pp] + [maps[i] for i in box]
    counts = sum(np.bincount(one.ravel(), minlength=256)[:2] for one in known) + 1
    assert shares == pytest.approx(counts / counts.sum())
