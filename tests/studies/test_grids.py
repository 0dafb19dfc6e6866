"""The grids say what they mean, and the queue runs them."""

import json
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides

from stages import config
from stages.analysis.paper import load_claims
from stages.errors import UserError
from stages.model.recipes import RECIPES, Recipe, recipe_of
from stages.paths import ROOT
from stages.studies import grids
from tests.pipeline.clones import copy_project


def runs_of(root: Path, grid: str = "remedies", dataset: str = "nuclei") -> dict[str, grids.Run]:
    chosen = grids.load(grid, root)
    runs = grids.runs(config.load(root), grid, dataset, root)
    every = [dataset]
    ours = [variant for variant in chosen.runs.values() if dataset in (variant.datasets or chosen.datasets or every)]
    assert len(runs) == sum(len(variant.seeds or chosen.seeds) for variant in ours)
    return {run.variant: run for run in runs if run.seed == 0}


def settings_of_dvc(root: Path, run: grids.Run) -> config.Settings:
    """The settings that DVC makes of a run's changes, by its own means, in a copy of its own."""
    copy = root / run.experiment
    copy.mkdir()
    shutil.copy(root / "params.yaml", copy)
    shutil.copytree(root / "configs", copy / "configs")
    by_file: dict[str, list[str]] = {}
    for change in run.set_params():
        file, _, override = change.rpartition(".yaml:")
        by_file.setdefault(f"{file or 'params'}.yaml", []).append(override)
    for file, overrides in by_file.items():
        apply_overrides(copy / file, overrides)
    return config.load(copy)


COMMITTED = [
    ("readings", "nuclei"), ("readings", "synthetic"), ("readings", "camvid"), ("remedies", "nuclei"),
    ("remedies", "synthetic"), ("regime", "synthetic"), ("reference", "camvid"), ("reference", "synthetic"),
    ("reference", "synthetic-classes"), ("annotation", "nuclei"), ("annotation", "synthetic"),
    ("causes", "synthetic-classes"),
]  # fmt: skip


@pytest.mark.parametrize(("grid", "dataset"), [*COMMITTED, ("reference", "cityscapes")])
def test_every_run_of_a_grid_is_allowed(root, grid, dataset):
    for run in runs_of(root, grid, dataset).values():
        settings = run.settings
        assert settings.params.dataset == dataset
        assert settings.params.seeds == (0,)
        assert run.target == config.stage_name("evaluate", run.row, settings.rows[run.row], 0)
        recipe = recipe_of(settings.rows[run.row])
        assert recipe.smax is None or recipe.bound != "tanh" or settings.params.tau < 2.718**recipe.smax


@pytest.mark.integration
@pytest.mark.parametrize(("grid", "dataset"), COMMITTED)
def test_dvc_makes_of_the_changes_what_a_run_has_as_its_settings(root, grid, dataset):
    for run in runs_of(root, grid, dataset).values():
        assert run.settings == settings_of_dvc(root, run)


NEUTRAL = asdict(Recipe("", bound="finite"))  # what a result says nothing of, because it is older
SINCE = {
    "76a5ee03fa4eae30f60d26d77032776df4be375d1b60f3164b34bed8bcef3d59": "nuclei, held out",
    "558d02389bdfa72dd96a670009aeffd62c6e5d931d3bf9cb023cf16f5e09bc0e": "nuclei, held out",
    "5f317ac54f6d1b6024a20b648185c68d3391baf5a0f0f942307df4a701cd4324": "CamVid",
    "5ed8f2269c09d90ce59ee05b3a63cb23437896c9cb6cd43f75e910def6e7e140": "CamVid",
    "71a6378c93ea7bd40563cea179cca60109a53bd82ca3999e26c0dfee62ccebb3": "CamVid",
}
"""Packed folders with the same arrays: split.json has `val_parts` since, and CamVid's files have today's names."""
UNREAD = {"bootstrap": {"trigger", "estimator"}, "ce_bootstrap": {"flip_target", "prior"}}


@pytest.mark.parametrize(("grid", "dataset"), COMMITTED)
def test_committed_results_were_trained_as_the_grid_now_says(root, grid, dataset):
    data: dict[tuple, set] = {}  # by what decides it; rows with all classes came later, and have arrays of their own
    for name, run in runs_of(root, grid, dataset).items():
        settings = run.settings
        row, train = settings.rows[run.row], settings.profile.train
        recipe = asdict(recipe_of(row))
        unread = ["name", *UNREAD.get(row.loss, ()), *(["smax"] if recipe["bound"] != "tanh" else [])]
        for field in [*unread, *(["initial_variance"] if recipe["initial_variance_per_tau"] else [])]:
            del recipe[field]
        expected = {
            "tau": settings.params.tau, "temperature": settings.params.temperature,
            "mc_samples": settings.params.mc_samples, "steps": settings.steps,
            "learning_rate": settings.learning_rate, "schedule": train.schedule,
            "width": train.width, "weight_decay": train.weight_decay, "batch_size": settings.params.batch_size,
            "size": list(settings.profile.boxes.size),
        }  # fmt: skip
        for file in (ROOT / "reference" / grids.GRIDS[grid] / dataset).glob(f"{name}-[0-9].json"):
            kept = json.loads(file.read_text())
            assert kept["row"] == run.row, file
            asked, changed = json.loads(json.dumps(run.changes.record())), kept["changes"]
            assert {key: value for key, value in changed.items() if key != "overrides"} == {
                key: value for key, value in asked.items() if key != "overrides"
            }, file  # what is overridden depends on what the recipe was
            if "stopped" in kept:
                continue
            assert {key: kept["settings"].get(key, value) for key, value in expected.items()} == expected, file
            trained = NEUTRAL | kept["resolutions"]
            for field in ("warmup_share", "reduction", "mean_start", "last_layer"):
                assert trained[field] == recipe[field], (file, field)
            if row.bootstraps or row.loss in ("uncertainty", "ce_uncertainty", "regression"):
                assert {key: trained[key] for key in recipe} == recipe, file
            assert kept["counts"]["pp"] / kept["counts"]["train"] == pytest.approx(
                row.pp / config.PAPER_IMAGES, abs=0.01
            )
            decides = (row.classes == "all", settings.params.data_seed, str(run.changes.scenes))
            data.setdefault(decides, set()).add(SINCE.get(kept["data"], kept["data"]))
    if not data:
        pytest.skip(f"no training of {grid} on {dataset} is committed yet")
    assert {len(found) for found in data.values()} == {1}


@pytest.mark.parametrize(
    ("grid", "dataset"),
    [("readings", "nuclei"), ("readings", "camvid"), ("remedies", "nuclei"), ("regime", "synthetic")],
)
def test_what_chooses_never_sees_the_evaluation_split(root, grid, dataset):
    boxes = config.read_profiles(root)[dataset].boxes
    for run in runs_of(root, grid, dataset).values():
        assert run.settings.profile.boxes == boxes.model_copy(update={"split": "holdout", "val_share": 0.2})


def test_the_reference_changes_no_data(root):
    boxes = config.read_profiles(root)["camvid"].boxes
    for run in runs_of(root, "reference", "camvid").values():
        assert run.settings.profile.boxes == boxes


def test_the_reference_holds_every_row_three_times_and_those_that_criteria_compare_five(root):
    settings = config.load(root)
    runs = grids.runs(settings, "reference", "camvid", root)
    counts = {
        name: [run.seed for run in runs if run.variant == name] for name in dict.fromkeys(r.variant for r in runs)
    }
    asked = {row for criterion in load_claims(ROOT).criteria for row in criterion.check.rows}
    elsewhere = {f"{row}-draw-2" for row in ("bce-500-2280", "bootstrap-500-2280-stable")}  # CamVid has no gap to share
    of_nuclei = grids.runs(settings, "reference", "nuclei", root)
    assert {row: sum(run.variant == row for run in of_nuclei) for row in elsewhere} == dict.fromkeys(elsewhere, 5)
    assert all(seeds == list(range(len(seeds))) for seeds in counts.values())
    compared = (asked - elsewhere) | {"regression-500-2280", "uncertainty-500-2280", "bootstrap-500-2280"}
    assert {len(counts[row]) for row in compared} == {5}
    assert set(map(len, counts.values())) == {3, 5}
    varied = {"uncertainty-500-2280-warmup"}  # stands there as a change of its row
    others = {name for name, row in settings.rows.items() if row.group == "methods"}
    assert {run.row for run in runs} == set(settings.rows) - varied - others
    methods = grids.runs(settings, "methods", "camvid", root)
    assert {run.row for run in methods} == {run.variant for run in methods} == others
    assert all(run.settings.methods == (run.row,) and f'methods=["{run.row}"]' in run.set_params() for run in methods)


def test_a_grid_names_the_datasets_of_entries_that_name_none(root):
    several = {run.variant for run in grids.runs(config.load(root), "reference", "synthetic-classes", root)}
    assert several == {name for name, row in config.load(root).rows.items() if row.classes == "all"}
    assert grids.runs(config.load(root), "annotation", "camvid", root) == []
    of_nuclei = {run.variant for run in grids.runs(config.load(root), "reference", "nuclei", root)}
    assert not any(name.startswith("ce-") for name in of_nuclei)  # which has one class
    assert several < {run.variant for run in grids.runs(config.load(root), "reference", "camvid", root)}


def test_the_control_of_the_literal_flips_differs_in_its_loss_alone(root):
    control = runs_of(root, "reference", "camvid")["bce-500-2280-two-means"].settings.rows["bce-500-2280"]
    literal = config.load(root).rows["bootstrap-500-2280"]
    assert (control.pp, control.box, control.loss) == (literal.pp, literal.box, "bce")
    ours, theirs = recipe_of(control), recipe_of(literal)
    assert (ours.reduction, ours.mean_start, ours.warmup_share) == (
        theirs.reduction, theirs.mean_start, theirs.warmup_share,
    )  # fmt: skip


def test_a_variant_changes_what_it_says_and_nothing_else(root):
    run = runs_of(root)["cap"]
    before, after = config.load(root), run.settings
    assert recipe_of(after.rows[run.row]) == replace(RECIPES["paper"], fill_cap=True)
    assert {n: r for n, r in after.rows.items() if n != run.row} == {
        n: r for n, r in before.rows.items() if n != run.row
    }
    assert after.params.model_copy(update={"dataset": before.params.dataset}) == before.params


def test_what_a_grid_sets_for_a_dataset_holds_for_all_of_its_runs_unless_one_says_otherwise(root):
    file = root / "studies/causes.yaml"
    text = file.read_text()
    assert "synthetic-classes: {steps: 1000}" in text
    more = text.replace("synthetic-classes: {steps: 1000}", "synthetic-classes: {steps: 1000, tau: 3.0}")
    file.write_text(f"{more}  another: {{set: {{tau: 1.0}}}}\n")
    runs = runs_of(root, "causes", "synthetic-classes")
    assert runs["literal"].changes.set == {"steps": 1000, "tau": 3.0}
    assert runs["another"].changes.set == {"steps": 1000, "tau": 1.0}
    file.write_text(text.replace("synthetic-classes: {steps: 1000}", "drawn: {steps: 720}"))
    with pytest.raises(UserError, match="studies/causes.yaml: set has drawn; allowed: synthetic, .*camvid"):
        runs_of(root, "causes", "synthetic-classes")


def test_a_seed_that_no_entry_has_is_refused(root):
    chosen = grids.runs(config.load(root), "reference", "camvid", root)
    assert {run.seed for run in grids.of_seeds(chosen, [0, 4])} == {0, 4}
    known = sorted({run.seed for run in chosen})
    with pytest.raises(UserError, match=f"--seeds 99: no entry of the grid has it; allowed: {str(known)[1:-1]}$"):
        grids.of_seeds(chosen, [0, 99])


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("../full: {}", r"runs.../full is no name for an entry; allowed: a-z"),
        ("new: {row: bce-501}", r"runs.new: row is bce-501; allowed: bce-2780, "),
        ("new: {seeds: [-1]}", r"runs.new.seeds.0: input should be greater than or equal to 0"),
        ("new: {seeds: [1, 1]}", r"runs.new.seeds: .*a seed may stand there once"),
        ("new: {set: {tua: 1.0}}", r"runs.new: set has tua; allowed: data_seed, tau, "),
        ("new: {set: {seeds: [3]}}", r"runs.new: set has seeds; allowed: data_seed, tau, "),
        ("new: {set: {steps: -3}}", r"runs.new: set.steps is -3; allowed: a whole number from 1 "),
        ("new: {train: {stesp: 3}}", r"runs.new: train has stesp; allowed: width, steps, "),
        (
            "new: {train: {horizontal_flip: 2.0}}",
            r"runs.new: train.horizontal_flip is 2.0; allowed: a number from 0 to 1",
        ),
        ("new: {pp: 2780}", r"runs.new: a bootstrapping row needs box images"),
        ("new: {pp: 0}", r"runs.new: a bootstrapping row needs box images, and with `recipe: stable` pixel-perfect"),
        ("new: {row: uncertainty-500-2280, pp: 0}", r"runs.new: pp 0 makes uncertainty-500-2280 a row of one_pool"),
        ("new: {row: bce-500-2280, loss: bootstrap}", r"runs.new: recipe .paper, stable. must be given for bootstrap"),
        ("new: {row: bce-500-2280, loss: ce}", r"runs.new: loss ce is for classes few or all"),
        ("new: {row: bce-500-2280, loss: mse}", r"runs.new.loss: input should be 'bce', 'regression', "),
        ("new: {oracle: true}", r"runs.new: oracle is for rows with box images, of loss bce or ce"),
        ("new: {scenes: {images: {trian: 9}}}", r"runs.new: scenes.images.*trian"),
        ("new: {scenes: {difficulty: {clutter: 2.0}}}", r"runs.new: scenes.difficulty.clutter: input should be less"),
        ("new: {train: {watch_every: 50}}", r"runs.new: train.watch_every is for grids with val_share"),
    ],
)
def test_an_entry_that_no_training_could_follow_is_refused_before_any_runs(root, entry, said):
    text = (root / "studies/reference.yaml").read_text()
    (root / "studies/reference.yaml").write_text(text.replace("\nruns:\n", f"\nruns:\n  {entry}\n"))
    with pytest.raises(UserError, match=rf"^studies/reference.yaml: {said}"):
        grids.runs(config.load(root), "reference", "synthetic", root)


def test_what_a_part_of_a_grid_leaves_out_stays_queued(root, monkeypatch):
    every = grids.runs(config.load(root), "reference", "camvid", root)
    kept = []
    monkeypatch.setattr(grids.queue, "work", lambda *_: None)
    monkeypatch.setattr(grids.queue, "forget", lambda root, start, known: kept.extend(known))
    grids.study(root, grids.only(every, ["bce-500"]), 1, every)
    assert kept == [run.experiment for run in every]


def test_an_entry_for_some_datasets_is_in_no_others_grid(root):
    assert "ce-all-2780" in runs_of(root, "reference", "camvid")
    assert "ce-all-2780" not in runs_of(root, "reference", "synthetic")


def test_masks_and_boxes_make_up_the_papers_pool(root):
    row = runs_of(root)["supervised-teacher-pooled-100"].settings.rows["bootstrap-500-2280"]
    assert (row.pp, row.box) == (100, 2680)


@pytest.mark.parametrize(
    ("first", "second", "dataset"), [("remedies", "annotation", "nuclei"), ("readings", "reference", "camvid")]
)
def test_no_two_runs_share_a_name_or_a_setting(root, first, second, dataset):
    runs = [run for grid in (first, second) for run in grids.runs(config.load(root), grid, dataset, root)]
    assert (
        len({run.experiment for run in runs})
        == len({(run.row, run.seed, str(run.changes)) for run in runs})
        == len(runs)
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{row: bce-500}", "{row: bce-501}", "runs.masks: row is bce-501; allowed: bce-2780, "),
        (
            "row: bootstrap-500-2280",
            "row: bce-500",
            "runs.stable-exp: loss bce does not read fill_cap, initial_variance_per_tau, variance",
        ),
        ("*literal, fill_cap: true}", "*literal, trigger: max}", "runs.cap: loss bootstrap does not read trigger"),
        ("{pp: 100,", "{pp: -1,", "runs.supervised-teacher-pooled-100.pp: input should be greater than or equal to 0"),
        ("datasets: [synthetic, nuclei]", "datasets: [synthetic, nucleii]", "datasets has nucleii; allowed: synthetic"),
        ("*literal, fill_cap: true}", "*literal, fill_cup: true}", "fill_cup: extra inputs are not permitted"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(root, old, new, message):
    text = (root / "studies/remedies.yaml").read_text()
    assert old in text
    (root / "studies/remedies.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(UserError) as error:
        grids.runs(config.load(root), "remedies", "nuclei", root)
    assert str(error.value).startswith("studies/remedies.yaml: ")
    assert message in str(error.value)


def test_a_part_of_the_grid_can_be_chosen(root):
    runs = grids.runs(config.load(root), "regime", "synthetic", root)
    chosen = grids.only(runs, ["full-400-easiest", "mixed-400"])
    assert [(run.variant, run.row, run.seed) for run in chosen] == [
        ("mixed-400", "bce-500-2280", 0),
        ("full-400-easiest", "bce-2780", 0),
        ("full-400-easiest", "bce-2780", 1),
        ("full-400-easiest", "bce-2780", 2),
    ]
    with pytest.raises(UserError, match=r"^--only fool: no such entry of the grid; allowed: .*full-400.*mixed-400"):
        grids.only(runs, ["fool"])


def test_an_unknown_dataset_is_refused_before_anything_is_queued(root):
    with pytest.raises(
        UserError, match=r"^dataset camvit: no such profile .* allowed: synthetic, .*camvid, .*cityscapes$"
    ):
        grids.runs(config.load(root), "readings", "camvit", root)


def test_an_experiments_name_follows_what_it_is_trained_with(root):
    def names() -> dict[str, str]:
        return {name: run.experiment for name, run in runs_of(root).items()}

    before = names()
    text = (root / "studies/remedies.yaml").read_text()
    (root / "studies/remedies.yaml").write_text(
        text.replace("teacher-pooled-100: {pp: 100,", "teacher-pooled-100: {pp: 101,", 1)
    )
    changed = names()
    assert [name for name in before if before[name] != changed[name]] == ["supervised-teacher-pooled-100"]
    (root / "stages" / "train").mkdir(parents=True)
    (root / "stages" / "train" / "loop.py").write_text("# another loop\n")
    assert not set(names().values()) & set(changed.values())


@pytest.mark.slow
def test_the_queue_runs_what_is_missing_and_keeps_each_result(tmp_path: Path):
    clone = copy_project(tmp_path / "clone")
    clone.edit("configs/datasets.yaml", "profiles.synthetic.scenes.images", {"train": 40, "val": 4})
    clone.edit("params.yaml", "steps", 3)
    clone.edit("studies/readings.yaml", "runs", {"literal": {}, "tau-1": {"set": {"tau": 1.0}}})
    clone.edit("studies/readings.yaml", "seeds", [0])
    kept = clone.path / "reference" / "readings" / "synthetic"
    shutil.rmtree(kept)
    clone.commit()
    command = [sys.executable, "-m", "stages.studies", "readings", "synthetic"]
    assert "0 of 2 runs are there" in clone.run(*command).stdout
    results = {file.stem: json.loads(file.read_text()) for file in kept.iterdir()}
    assert set(results) == {"literal-0", "tau-1-0"}
    assert [results[name]["settings"]["tau"] for name in ("literal-0", "tau-1-0")] == [2.5, 1.0]
    assert results["literal-0"]["n_images"] < 40  # held-out training images, not the 4 of the evaluation split
    assert results["literal-0"]["trace"]["steps"] == [1, 2, 3]
    assert "2 of 2 runs are there" in clone.run(*command).stdout


def test_what_is_counted_is_kept_by_tenths_of_the_training():
    history = [{"terms": {"flipped": step / 100, "exceeds_max": 1.0, "exceeds_target": 0.5}} for step in range(40)]
    counted = grids._counted(history)
    assert counted["exceeds_max"] == [100.0] * 10
    assert counted["exceeds_target"] == [50.0] * 10
    assert counted["flipped"][0] == pytest.approx(100 * (0 + 1 + 2 + 3) / 400)
    assert counted["flipped"][-1] == pytest.approx(100 * (36 + 37 + 38 + 39) / 400)
    assert grids._counted([{"terms": {"plain": 1.0, "flipped": 0.5}}] * 40) == {}  # a binary row


def test_an_entry_may_change_some_of_the_scenes(root):
    (root / "studies/reference.yaml").write_text(
        "row: bce-500\nseeds: [0]\nruns:\n"
        "  more: {row: bce-500, scenes: {images: {train: 90}, difficulty: {clutter: 0.0}}}\n  plain: {row: bce-500}\n"
    )
    more, plain = grids.runs(config.load(root), "reference", "synthetic", root)
    before = plain.settings.profile.scenes.model_dump()
    after = more.settings.profile.scenes.model_dump()
    assert after["images"] == before["images"] | {"train": 90}
    assert after["difficulty"] == before["difficulty"] | {"clutter": 0.0}
    assert {key: after[key] for key in ("size", "seed")} == {key: before[key] for key in ("size", "seed")}
    assert more.changes.record() == {"scenes": {"images": {"train": 90}, "difficulty": {"clutter": 0.0}}}
    prefix = "configs/datasets.yaml:++profiles.synthetic.scenes"
    assert {f"{prefix}.images.train=90", f"{prefix}.difficulty.clutter=0.0"} <= set(more.set_params())
    assert more.experiment != plain.experiment


def test_an_entry_may_be_an_oracle_or_have_no_masks(root):
    (root / "studies/reference.yaml").write_text(
        "row: bce-500-2280\nseeds: [0]\nruns:\n  oracle: {row: bce-500-2280, oracle: true}\n"
        "  boxes: {row: bootstrap-500-2280, pp: 0}\n"
        "  uncertain: {row: bce-0-2780, loss: uncertainty, overrides: {variance: softplus}}\n"
    )
    oracle, boxes, uncertain = grids.runs(config.load(root), "reference", "synthetic", root)
    assert oracle.settings.rows["bce-500-2280"].oracle
    assert oracle.changes.record() == {"oracle": True}
    assert "configs/rows.yaml:++rows.mixed.bce-500-2280.oracle=true" in oracle.set_params()
    row = boxes.settings.rows["bootstrap-500-2280"]
    assert (row.pp, row.box, row.bootstraps, row.mixes) == (0, 2780, True, False)
    assert boxes.changes.record() == {"pp": 0}
    row = uncertain.settings.rows["bce-0-2780"]
    assert (row.loss, row.pp, row.box) == ("uncertainty", 0, 2780)
    assert uncertain.changes.record() == {"loss": "uncertainty", "overrides": {"variance": "softplus"}}
    assert "configs/rows.yaml:rows.one_pool.bce-0-2780.loss=uncertainty" in uncertain.set_params()
