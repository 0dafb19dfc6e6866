"""The grids say what they mean, and the queue runs them."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from clones import copy_project
from dvc.utils.hydra import apply_overrides

from stages import params
from stages.params import UserError
from stages.paths import ROOT
from stages.study import grids, plain
from stages.train.recipes import RECIPES, Recipe, recipe_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("params.yaml", "rows.yaml", "datasets.yaml", "ablation.yaml", "finals.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def runs_of(root: Path, grid: str = "ablation", dataset: str = "camvid") -> dict[str, grids.Run]:
    chosen = grids.load(grid, root)
    runs = grids.runs(params.load(root), grid, dataset, root)
    ours = [variant for variant in chosen.runs.values() if dataset in (variant.datasets or [dataset])]
    assert len(runs) == sum(len(variant.seeds or chosen.seeds) for variant in ours)
    return {run.variant: run for run in runs if run.seed == 0}


def settings_of(root: Path, run: grids.Run) -> params.Settings:
    """The settings that DVC makes of a run's changes, by its own means, in a copy of its own."""
    copy = root / run.experiment
    copy.mkdir()
    for file in ("params.yaml", "rows.yaml", "datasets.yaml"):
        shutil.copy(root / file, copy)
    by_file: dict[str, list[str]] = {}
    for change in run.changes:
        file, _, override = change.partition(".yaml:") if ".yaml:" in change else ("params", "", change)
        by_file.setdefault(f"{file}.yaml", []).append(override)
    for file, overrides in by_file.items():
        apply_overrides(copy / file, overrides)
    return params.load(copy)


@pytest.mark.parametrize("dataset", ["camvid", "synthetic", "cityscapes"])
@pytest.mark.parametrize("grid", grids.GRIDS)
def test_every_run_of_a_grid_is_allowed(root, grid, dataset):
    for run in runs_of(root, grid, dataset).values():
        settings = settings_of(root, run)
        assert settings.params.dataset == dataset
        assert settings.params.seeds == (0,)
        assert run.target == f"evaluate@{run.row}-0"
        recipe = recipe_of(settings.rows[run.row])
        assert recipe.smax is None or recipe.bound != "tanh" or settings.params.tau < 2.718**recipe.smax


@pytest.mark.parametrize("dataset", ["camvid", "synthetic"])
@pytest.mark.parametrize("grid", grids.GRIDS)
def test_without_dvc_a_runs_settings_are_what_dvc_makes_of_its_changes(root, grid, dataset):
    for run in runs_of(root, grid, dataset).values():
        assert plain.write_settings(root, run, root / "plain" / run.experiment) == settings_of(root, run)


def test_without_dvc_what_is_missing_is_trained_and_a_failure_keeps_the_others(root, capfd):
    for name, old, new in [
        ("datasets.yaml", "images: {train: 400, val: 160}", "images: {train: 12, val: 4}"),
        ("datasets.yaml", "width: 0.5                    # half", "width: 0.25  # half"),
        ("finals.yaml", "synthetic: {steps: 720}", "synthetic: {steps: 3}"),
        ("params.yaml", "device: auto", "device: cpu"),
    ]:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new))
    chosen = grids.only(grids.runs(params.load(root), "finals", "synthetic", root), ["bce-500", "ce-500"])
    chosen = [run for run in chosen if run.seed < 2]
    for name in ("stages/boxes", "stages/download", "stages/evaluate", "stages/train"):
        (root / name).mkdir(parents=True)
    broken = replace(chosen[-1], seed=7, row="no-such-row")
    with pytest.raises(UserError, match="no such row"):
        plain.study(root, [*chosen, broken], jobs=2)
    kept = {file.name: file.read_bytes() for file in (root / "reference" / "finals" / "synthetic").glob("*.json")}
    assert set(kept) == {f"{row}-{seed}.json" for row in ("bce-500", "ce-500") for seed in (0, 1)}
    result = json.loads(kept["ce-500-1.json"])
    assert (result["seed"], result["settings"]["steps"], result["row"]) == (1, 3, "ce-500")
    assert (root / "reference" / "finals" / "synthetic" / "bce-500-0.npz").exists()  # a row that is shown
    capfd.readouterr()
    plain.study(root, chosen, jobs=2)
    assert capfd.readouterr().out.startswith("4 of 4 runs are there")
    for file in (root / "reference" / "finals" / "synthetic").glob("*.json"):
        assert file.read_bytes() == kept[file.name]


NEUTRAL = asdict(Recipe("", bound="finite"))  # what a result says nothing of, because it is older
UNREAD = {"bootstrap": {"trigger", "estimator"}, "ce_bootstrap": {"flip_target", "prior"}}


@pytest.mark.parametrize("dataset", ["camvid", "synthetic"])
@pytest.mark.parametrize("grid", grids.GRIDS)
def test_committed_results_were_trained_as_the_grid_now_says(root, grid, dataset):
    asked, data = 0, set()
    for name, run in runs_of(root, grid, dataset).items():
        settings = settings_of(root, run)
        row, train = settings.rows[run.row], settings.profile.train
        recipe = asdict(recipe_of(row))
        for unread in ("name", *UNREAD.get(row.loss, ()), *(["smax"] if recipe["bound"] != "tanh" else [])):
            del recipe[unread]
        expected = {
            "tau": settings.params.tau, "samples": settings.params.samples, "temperature": settings.params.temperature,
            "steps": settings.steps, "learning_rate": settings.learning_rate, "schedule": train.schedule,
            "width": train.width, "weight_decay": train.weight_decay, "batch_size": settings.params.batch_size,
            "size": list(settings.profile.boxes.size),
        }  # fmt: skip
        for file in (ROOT / "reference" / grid / dataset).glob(f"{name}-[0-9].json"):
            kept = json.loads(file.read_text())
            assert kept["row"] == run.row, file
            assert {key: kept["settings"].get(key, value) for key, value in expected.items()} == expected, file
            assert kept["resolutions"].get("pp_only", 0.0) == recipe["pp_only"], file
            if row.bootstraps:
                assert {key: (NEUTRAL | kept["resolutions"])[key] for key in recipe} == recipe, file
            assert kept["counts"]["pp"] / kept["counts"]["train"] == pytest.approx(
                row.pp / params.PAPER_IMAGES, abs=0.01
            )
            data.add(kept["data"])
            asked += 1
    assert asked > 40
    assert len(data) == 1


def test_the_ablation_never_sees_the_evaluation_split_and_the_finals_change_no_data(root):
    for run in runs_of(root, "ablation").values():
        assert "datasets.yaml:++profiles.camvid.boxes.split=holdout" in run.changes
    for run in runs_of(root, "finals").values():
        assert not any("datasets.yaml" in change for change in run.changes)


def test_the_ablation_is_of_at_most_80_runs_besides_its_baselines(root):
    count = 0
    settings = params.load(root)
    for dataset in ("synthetic", "camvid"):
        runs = grids.runs(settings, "ablation", dataset, root)
        count += sum(settings.rows[run.row].bootstraps for run in runs)
    assert 40 <= count <= 80


def test_the_finals_hold_every_row_three_times_and_those_that_are_compared_five_or_ten(root):
    settings = params.load(root)
    grid, runs = grids.load("finals", root), grids.runs(settings, "finals", "camvid", root)
    counts = {name: [run.seed for run in runs if run.variant == name] for name in grid.runs}
    asked = {row for bar in grid.bars for row in bar.check.rows}
    assert all(seeds == list(range(len(seeds))) for seeds in counts.values())
    compared = asked | {"regression-500-2280", "uncertainty-500-2280", "bootstrap-500-2280"}
    assert {len(counts[row]) for row in compared} == {5, 10}
    assert set(map(len, counts.values())) == {3, 5, 10}
    assert {run.row for run in runs} == set(settings.order)


@pytest.mark.parametrize("row", ["bce-500-2280", "uncertainty-500-2280", "ce-500-2280"])
def test_a_control_draws_what_the_stable_recipe_draws(root, row):
    run = runs_of(root, "finals")[f"{row}-masks-first"]
    settings = settings_of(root, run)
    ours, stable = settings.rows[row], settings.rows["bootstrap-500-2280-stable"]
    assert (ours.pp, ours.box, run.seed) == (stable.pp, stable.box, 0)
    assert recipe_of(ours) == replace(RECIPES["paper"], pp_only=RECIPES["stable"].pp_only)


def test_a_variant_changes_what_it_says_and_nothing_else(root):
    run = runs_of(root)["bare-bound"]
    before, after = params.load(root), settings_of(root, run)
    bare = {"bound": "tanh", "smax": 3.0, "prior": 0.0, "fill_cap": False, "pp_only": 0.0, "start_per_tau": 0.0}
    assert recipe_of(after.rows[run.row]) == replace(RECIPES["stable"], **bare)
    assert {n: r for n, r in after.rows.items() if n != run.row} == {
        n: r for n, r in before.rows.items() if n != run.row
    }
    assert after.params.model_copy(update={"dataset": before.params.dataset}) == before.params


def test_what_a_grid_sets_for_a_dataset_holds_for_all_of_its_runs_unless_one_says_otherwise(root):
    text = (root / "finals.yaml").read_text()
    assert "synthetic: {steps: 720}" in text
    (root / "finals.yaml").write_text(text.replace("synthetic: {steps: 720}", "synthetic: {steps: 720, tau: 3.0}"))
    runs = {dataset: runs_of(root, "finals", dataset) for dataset in ("synthetic", "camvid")}
    assert {"steps=720", "tau=3.0"} <= set(runs["synthetic"]["bce-2780"].changes)
    assert "tau=1.0" in runs["synthetic"]["bootstrap-500-2280-tau-1"].changes
    assert not {"steps=720", "tau=3.0"} & set(runs["camvid"]["bce-2780"].changes)
    (root / "finals.yaml").write_text(text.replace("synthetic: {steps: 720}", "drawn: {steps: 720}"))
    with pytest.raises(UserError, match="finals.yaml: set has drawn; allowed: synthetic, camvid, cityscapes"):
        runs_of(root, "finals")


def test_a_seed_that_no_entry_has_is_refused(root):
    chosen = grids.runs(params.load(root), "finals", "camvid", root)
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
        ("new: {train: {flip: 2.0}}", r"runs.new: train.flip is 2.0; allowed: a number from 0 to 1"),
        ("new: {pp: 2780}", r"runs.new: a bootstrapping row needs"),
    ],
)
def test_an_entry_that_no_training_could_follow_is_refused_before_any_runs(root, entry, said):
    text = (root / "finals.yaml").read_text()
    (root / "finals.yaml").write_text(text.replace("\nruns:\n", f"\nruns:\n  {entry}\n"))
    with pytest.raises(UserError, match=rf"^finals.yaml: {said}"):
        grids.runs(params.load(root), "finals", "synthetic", root)


def test_what_a_part_of_a_grid_leaves_out_stays_queued(committing, monkeypatch):
    every = grids.runs(params.load(committing), "finals", "camvid", committing)
    kept = []
    monkeypatch.setattr(grids.queue, "forget", lambda root, start, known: kept.extend(known))
    grids.study(committing, grids.only(every, ["bce-500"]), 1, every)
    assert kept == [run.experiment for run in every]


def test_without_dvc_runs_share_data_only_where_nothing_of_it_differs(root):
    text = (root / "finals.yaml").read_text()
    text = text.replace("bce-500: {seeds", "bce-500: {set: {data_seed: 3}, seeds")
    (root / "finals.yaml").write_text(text)
    runs = runs_of(root, "finals")
    assert plain._data(runs["bce-500"]) != plain._data(runs["bce-2780"]) == plain._data(runs["ce-2780"])


def test_an_entry_for_some_datasets_is_in_no_others_grid(root):
    assert "full-720-steps" in runs_of(root, dataset="synthetic")
    assert "full-720-steps" not in runs_of(root, dataset="camvid")


def test_masks_and_boxes_make_up_the_papers_pool(root):
    row = settings_of(root, runs_of(root)["pp-100"]).rows["bootstrap-500-2280-stable"]
    assert (row.pp, row.box) == (100, 2680)


def test_no_two_runs_share_a_name_or_a_setting(root):
    runs = grids.runs(params.load(root), "ablation", "camvid", root) + grids.runs(
        params.load(root), "finals", "camvid", root
    )
    assert len({run.experiment for run in runs}) == len({(run.row, run.changes) for run in runs}) == len(runs)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{row: bce-500,", "{row: bce-501,", "runs.masks: row is bce-501; allowed: bce-2780, "),
        (
            "row: bootstrap-500-2280-stable",
            "row: bce-500",
            "runs.base: overrides other than pp_only are for bootstrap and ce_bootstrap alone",
        ),
        ("{<<: *all, prior: 0.0}}", "{<<: *all, trigger: max}}", "runs.no-prior: loss bootstrap does not read trigger"),
        ("{pp: 100,", "{pp: 0,", "runs.pp-100.pp: input should be greater than or equal to 1"),
        ("{datasets: [camvid],", "{datasets: [camvit],", "datasets has camvit; allowed: synthetic, camvid, cityscapes"),
        ("{<<: *all, prior: 0.0}}", "{<<: *all, priro: 0.0}}", "priro: extra inputs are not permitted"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(root, old, new, message):
    text = (root / "ablation.yaml").read_text()
    assert old in text
    (root / "ablation.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(UserError) as error:
        grids.runs(params.load(root), "ablation", "camvid", root)
    assert str(error.value).startswith("ablation.yaml: ")
    assert message in str(error.value)


def test_a_part_of_the_grid_can_be_chosen(root):
    runs = grids.runs(params.load(root), "ablation", "camvid", root)
    chosen = grids.only(runs, ["full", "base"])
    assert [(run.variant, run.row, run.seed) for run in chosen] == [
        ("full", "bce-2780", 0),
        ("base", "bootstrap-500-2280-stable", 0),
        ("full", "bce-2780", 1),
        ("full", "bce-2780", 2),
        ("full", "bce-2780", 3),
    ]
    with pytest.raises(UserError, match=r"^--only fool: no such entry of the grid; allowed: .*base.*full"):
        grids.only(runs, ["fool"])


def test_an_unknown_dataset_is_refused_before_anything_is_queued(root):
    with pytest.raises(UserError, match=r"^dataset camvit: no such profile .* allowed: synthetic, camvid, cityscapes$"):
        grids.runs(params.load(root), "ablation", "camvit", root)


def test_an_experiments_name_follows_what_it_is_trained_with(root):
    def names() -> dict[str, str]:
        return {name: run.experiment for name, run in runs_of(root).items()}

    before = names()
    text = (root / "ablation.yaml").read_text()
    (root / "ablation.yaml").write_text(text.replace("tau-1: {set: {tau: 1.0}", "tau-1: {set: {tau: 1.1}", 1))
    changed = names()
    assert [name for name in before if before[name] != changed[name]] == ["tau-1"]
    (root / "stages" / "train").mkdir(parents=True)
    (root / "stages" / "train" / "losses.py").write_text("# another loss\n")
    assert not set(names().values()) & set(changed.values())


@pytest.fixture
def committing(root: Path, monkeypatch) -> Path:
    """The grid in a git repository, with nothing to run."""
    for words in (["init", "--quiet"], ["config", "user.name", "a"], ["config", "user.email", "a@example.org"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    monkeypatch.setattr(grids.queue, "work", lambda *_: None)
    monkeypatch.setattr(grids.queue, "forget", lambda *_: None)
    return root


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True).stdout


def test_a_result_that_was_written_but_not_committed_is_committed_first(committing):
    run = runs_of(committing, "finals")["bce-500"]
    file = run.file(committing)
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    file.with_suffix(".npz").write_bytes(b"")
    (file.parent / "notes.txt").write_text("the user's own")
    grids.study(committing, [run], 1, [run])
    assert git(committing, "log", "--format=%s") == "Finals on camvid: bce-500, seed 0\n"
    assert git(committing, "show", "--name-only", "--format=").split() == [
        f"reference/finals/camvid/bce-500-0{kind}" for kind in (".json", ".npz")
    ]
    file.write_text('{"edited": true}')
    grids.study(committing, [run], 1, [run])
    assert git(committing, "status", "--porcelain", "reference").splitlines()[0] == f" M {file.relative_to(committing)}"


def test_a_commit_that_git_refuses_is_one_line(committing):
    run = runs_of(committing, "finals")["bce-500"]
    run.file(committing).parent.mkdir(parents=True)
    run.file(committing).write_text("{}")
    (committing / ".git" / "index.lock").touch()
    with pytest.raises(UserError, match=r"^git add of .*bce-500-0.json failed; run this again"):
        grids.study(committing, [run], 1, [run])


@pytest.mark.slow
def test_the_queue_runs_what_is_missing_and_each_result_is_committed(tmp_path: Path):
    clone = copy_project(tmp_path / "clone")
    clone.edit("datasets.yaml", "profiles.synthetic.scenes.images", {"train": 40, "val": 4})
    clone.edit("params.yaml", "steps", 3)
    clone.edit("ablation.yaml", "runs", {"base": {}, "tau-1": {"set": {"tau": 1.0}}})
    clone.edit("ablation.yaml", "seeds", [0])
    kept = clone.path / "reference" / "ablation" / "synthetic"
    shutil.rmtree(kept)
    clone.commit()
    command = [sys.executable, "-m", "stages.study", "ablation", "synthetic"]
    assert "0 of 2 runs are there" in clone.run(*command).stdout
    results = {file.stem: json.loads(file.read_text()) for file in kept.iterdir()}
    assert set(results) == {"base-0", "tau-1-0"}
    assert [results[name]["settings"]["tau"] for name in ("base-0", "tau-1-0")] == [2.5, 1.0]
    assert results["base-0"]["n_images"] < 40  # held-out training images, not the 4 of the evaluation split
    assert results["base-0"]["trace"]["steps"] == [1, 2, 3]
    messages = clone.run("git", "log", "--format=%s", "-2").stdout.splitlines()
    assert sorted(messages) == ["Ablation on synthetic: base, seed 0", "Ablation on synthetic: tau-1, seed 0"]
    assert clone.run("git", "status", "--porcelain").stdout == ""
    assert "2 of 2 runs are there" in clone.run(*command).stdout
