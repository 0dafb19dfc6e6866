"""The hyperparameters of a training: resolved once, recorded, restored, and checked before anything runs."""

import json
from dataclasses import replace

import pytest

from stages import config
from stages.config import Overrides, Settings
from stages.errors import UserError
from stages.model.hyperparameters import Hyperparameters, resolve
from stages.model.recipes import recipe_of
from tests.two_classes import CLASSES

ROWS = tuple(config.load().rows)


def with_row(settings: Settings, tau: float = 2.5, **overrides) -> Settings:
    """Settings with one row, a bootstrapping one with these overrides."""
    row = settings.rows["bootstrap-500-2280"].model_copy(update={"overrides": Overrides(**overrides)})
    return replace(settings, params=settings.params.model_copy(update={"tau": tau}), rows={"changed": row})


@pytest.mark.parametrize("name", ROWS)
def test_what_is_recorded_restores_to_the_same(name, settings):
    chosen = resolve(settings, name, CLASSES)
    read = json.loads(json.dumps(chosen.record()))
    assert Hyperparameters.restore(read) == chosen
    assert Hyperparameters.restore(read).record() == chosen.record()


def test_overrides_and_every_setting_survive_the_record(settings):
    chosen = resolve(with_row(settings, 7.5, prior=0.5, initial_variance=2.0), "changed", CLASSES)
    chosen = replace(chosen, size=(64, 32), batch_size=3, steps=7, learning_rate=0.1, schedule="constant", width=4.0)
    restored = Hyperparameters.restore(json.loads(json.dumps(chosen.record())))
    assert restored == chosen
    assert (restored.recipe.prior, restored.recipe.initial_variance, restored.tau) == (0.5, 2.0, 7.5)


@pytest.mark.parametrize("name", ROWS)
def test_what_a_row_does_not_read_is_none(name, settings):
    chosen, row = resolve(settings, name, CLASSES), settings.rows[name]
    expected = {
        "pp_chance": row.pp > 0 and row.box > 0,
        "sampler": row.pp > 0 and row.box > 0,
        "tau": row.loss in ("bootstrap", "ce_bootstrap"),
        "temperature": row.loss == "bootstrap",
        "mc_samples": row.loss == "ce_bootstrap",
    }
    assert {key: getattr(chosen, key) is not None for key in expected} == expected
    read = {key: getattr(settings.params, key) for key, reads in expected.items() if reads}
    assert {key: getattr(chosen, key) for key in read} == read
    assert {key: value for key, value in chosen.record()["settings"].items() if key in expected} == read


@pytest.mark.parametrize("name", ROWS)
def test_the_settings_come_from_the_users_three_files_and_the_recipe_is_resolved(name, settings):
    chosen, train = resolve(settings, name, CLASSES), settings.profile.train
    assert (chosen.name, chosen.row, chosen.recipe) == (name, settings.rows[name], recipe_of(settings.rows[name]))
    assert (chosen.dataset, chosen.size) == (settings.params.dataset, settings.profile.boxes.size)
    assert (chosen.batch_size, chosen.width) == (settings.params.batch_size, train.width)
    assert (chosen.steps, chosen.learning_rate) == (train.steps, train.learning_rate)  # auto
    assert (chosen.schedule, chosen.weight_decay) == (train.schedule, train.weight_decay)
    assert chosen.horizontal_flip == train.horizontal_flip
    turned = settings.params.model_copy(update={"steps": 3, "learning_rate": 0.25})
    chosen = resolve(replace(settings, params=turned), name, CLASSES)
    assert (chosen.steps, chosen.learning_rate) == (3, 0.25)


@pytest.mark.parametrize(
    ("name", "logits", "channels"),
    [
        ("bce-500", 1, 1),
        ("regression-500-2280", 1, 2),
        ("bootstrap-500-2280", 1, 2),
        ("ce-500", 3, 3),
        ("ce-bootstrap-500-2280", 3, 6),
    ],
)
def test_the_network_has_a_mean_and_where_needed_a_variance_for_each_logit(name, logits, channels, settings):
    chosen = resolve(settings, name, CLASSES)
    assert (chosen.logits, chosen.channels) == (logits, channels)
    assert chosen.multi_class == (logits == 3)
    assert chosen.has_variance == (channels == 2 * logits)


def test_an_unknown_row_is_one_line_that_names_the_rows(settings):
    with pytest.raises(UserError, match="^--row bce-501: no such row; configs/rows.yaml has bce-2780, bce-5") as error:
        resolve(settings, "bce-501", CLASSES)
    assert "\n" not in str(error.value)


def test_a_tau_that_a_bounded_variance_never_reaches_is_refused(settings):
    message = "^params.yaml: tau is 25; allowed for changed, whose recipe bounds the variance: below 20.1, or nothing"
    with pytest.raises(UserError, match=message):
        resolve(with_row(settings, 25.0, bound="tanh", smax=3.0), "changed", CLASSES)
    assert resolve(with_row(settings, 20.0, bound="tanh", smax=3.0), "changed", CLASSES).tau == 20.0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"bound": "floor", "initial_variance_per_tau": 0.1},
            "the initial variance is 0.1; allowed with bound floor: above 0.135",
        ),
        (
            {"bound": "tanh", "smax": 1.0, "initial_variance": 3.0},
            "the initial variance is 3; allowed with bound tanh: above 0.368 and below 2.72",
        ),
        ({"variance_loss": "supervised"}, "`variance_loss: supervised` needs `own_boxes: true`"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(overrides, message, settings):
    with pytest.raises(UserError, match=f"^configs/rows.yaml: changed: {message}$"):
        resolve(with_row(settings, 1.0, **overrides), "changed", CLASSES)
