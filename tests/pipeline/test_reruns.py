"""What a change re-runs and what it does not, for every row. Dvc itself is asked, on stubs of the stages."""

from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.config import load, stage_name
from stages.paths import ROOT
from tests.pipeline.clones import ALWAYS, FEW_ROWS, Clone, ran

pytestmark = pytest.mark.integration

SETTINGS = load(ROOT)
ROWS = list(SETTINGS.rows)
SEED = SETTINGS.params.seeds[0]
FIGURE_ROWS = {
    "figure2": ["regression-0-2780"],
    "figure3": ["regression-all-500-2280"],
    "figure5": ["bootstrap-500-2280", "bootstrap-500-2280-stable"],
    "figure6": ["ce-bootstrap-500-2280", "ce-bootstrap-500-2280-stable"],
}
METHODS = [row for row in ROWS if SETTINGS.rows[row].group == "methods"]
NEVER_ASKED = {"validate"}  # reads the user's files as a whole: re-runs at every change, and invalidates nothing
UPSTREAM = {"validate", "code"}


def training(row: str, seed: int = SEED) -> str:
    """The DVC stage that trains a row."""
    return stage_name("train", row, SETTINGS.rows[row], seed)


def evaluation(row: str, seed: int = SEED) -> str:
    """The DVC stage that evaluates a row."""
    return stage_name("evaluate", row, SETTINGS.rows[row], seed)


def consequences(rows: list[str]) -> set[str]:
    """All that re-runs when these rows are trained anew."""
    stages = {stage for row in rows for stage in (training(row), evaluation(row))}
    figures = {figure for figure, drawn in FIGURE_ROWS.items() if set(drawn) & set(rows)}
    return stages | figures | ({"gather", "collapse", "tables", "report"} if rows else set())


def readers(lock: dict[str, Any], file: str, key: str) -> set[str]:
    """The stages whose tracked params hold `key` of `file`, or something inside it or around it."""

    def overlap(tracked: str) -> bool:
        return f"{tracked}.".startswith(f"{key}.") or f"{key}.".startswith(f"{tracked}.")

    return {name for name, stage in lock.items() if any(map(overlap, stage.get("params", {}).get(file, {})))}


def downstream(lock: dict[str, Any], stages: set[str]) -> set[str]:
    """The stages, and all that read what they write, directly or not, when everything that is written changes."""
    reached, waiting = set(), set(stages)
    while waiting:
        reached |= waiting
        outs = [out["path"] for name in waiting for out in lock[name]["outs"]]
        waiting = {name for name, stage in lock.items() if reads_any(stage, outs)} - reached
    return reached


def reads_any(stage: dict[str, Any], outs: list[str]) -> bool:
    """Whether a dep of the stage is one of these outs, lies in one, or holds one."""
    deps = [dep["path"] for dep in stage.get("deps", [])]
    return any(f"{dep}/".startswith(f"{out}/") or f"{out}/".startswith(f"{dep}/") for dep in deps for out in outs)


def reruns(lock: dict[str, Any], file: str, key: str) -> set[str]:
    """What a change of one key re-runs, by what dvc tracks."""
    return downstream(lock, readers(lock, file, key))


# ---- every row, by what dvc has recorded -----------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS)
def test_a_row_reads_what_its_loss_needs(lock: dict[str, Any], row: str) -> None:
    spec = SETTINGS.rows[row]
    expected = {"dataset", "batch_size", "steps", "learning_rate"}
    expected |= {"pp_chance", "sampler"} if spec.mixes or row in METHODS else set()
    expected |= {"bootstrap": {"tau", "temperature"}, "ce_bootstrap": {"tau", "mc_samples"}}.get(spec.loss, set())
    assert set(lock[training(row)]["params"]["params.yaml"]) == expected


@pytest.mark.parametrize("row", ROWS)
def test_a_rows_entry_retrains_that_row_alone(lock: dict[str, Any], row: str) -> None:
    key = f"rows.{SETTINGS.rows[row].group}.{row}"
    known = {training(row), "gather", "annotation", "tables", "report"}
    if row not in METHODS:
        assert readers(lock, "configs/rows.yaml", key) == known
        assert reruns(lock, "configs/rows.yaml", key) == consequences([row]) | {"annotation", "collapse"}
    else:  # `proposals` writes a file for each: of another row it stays as it was
        assert readers(lock, "configs/rows.yaml", key) == known | {"proposals"}
        assert readers(lock, "configs/rows.yaml", key) & {training(other) for other in ROWS} == {training(row)}


PARAMS = {
    "tau": ([row for row in ROWS if SETTINGS.rows[row].bootstraps], {"figure4", "report"}),
    "temperature": ([row for row in ROWS if SETTINGS.rows[row].loss == "bootstrap"], {"figure4", "report"}),
    "mc_samples": ([row for row in ROWS if SETTINGS.rows[row].loss == "ce_bootstrap"], {"report"}),
    "pp_chance": ([row for row in ROWS if SETTINGS.rows[row].mixes or row in METHODS], {"report"}),
    "sampler": ([row for row in ROWS if SETTINGS.rows[row].mixes or row in METHODS], {"report"}),
    "batch_size": (ROWS, {"report"}),
    "steps": (ROWS, {"report"}),
    "learning_rate": (ROWS, {"report"}),
    "box_seconds": ([], {"annotation", "report"}),
    "mask_seconds": ([], {"annotation", "report"}),
    "methods": (METHODS, {"proposals"}),
    "seeds": ([], {"gather", "collapse", "tables", "report"}),
    "device": ([], set()),
    "processes": ([], set()),
}


@pytest.mark.parametrize("key", PARAMS)
def test_a_param_retrains_the_rows_that_read_it(lock: dict[str, Any], key: str) -> None:
    rows, others = PARAMS[key]
    assert reruns(lock, "params.yaml", key) == consequences(rows) | others


@pytest.mark.parametrize("key", ["dataset", "data_seed"])
def test_other_data_re_runs_all_but_what_needs_no_data(lock: dict[str, Any], key: str) -> None:
    spared = (
        UPSTREAM
        | {"figure1", "figure4", "stability", "annotation"}
        | ({"source", "download"} if key == "data_seed" else set())
    )
    assert reruns(lock, "params.yaml", key) == set(lock) - spared


def test_a_profiles_sections_re_run_what_reads_them(lock: dict[str, Any]) -> None:
    free = UPSTREAM | {"figure1", "figure4", "stability", "annotation"}
    assert reruns(lock, "configs/datasets.yaml", "profiles.synthetic.scenes") == set(lock) - free
    free |= {"source", "download"}
    assert reruns(lock, "configs/datasets.yaml", "profiles.synthetic.boxes") == set(lock) - free
    assert reruns(lock, "configs/datasets.yaml", "profiles.synthetic.train") == set(lock) - free - {"boxes"}
    for other in ("camvid", "cityscapes"):
        assert not readers(lock, "configs/datasets.yaml", f"profiles.{other}")


def test_validate_comes_before_everything(lock: dict[str, Any]) -> None:
    assert downstream(lock, {"validate"}) == set(lock)


# ---- real changes, real dvc ------------------------------------------------------------------------------------------


def test_when_nothing_changed_nothing_runs(clone: Clone) -> None:
    done = clone.dvc("repro")
    assert not ran(done.stdout)
    assert "Stage 'report' didn't change, skipping" in done.stdout


def test_tau_of_an_experiment_re_runs_exactly_what_reads_it(clone: Clone) -> None:
    done = clone.dvc("exp", "run", "--set-param", "tau=2.0")
    rows, others = PARAMS["tau"]
    few = [row for row in rows if row in FEW_ROWS]
    assert ran(done.stdout) == consequences(few) | others | NEVER_ASKED


def test_device_re_runs_nothing(clone: Clone) -> None:
    clone.edit("params.yaml", "device", "cpu")
    assert clone.changed() == NEVER_ASKED


def test_a_row_and_a_profile_as_dvc_sees_them(clone: Clone) -> None:
    readers_of_rows = {"annotation", "gather", "tables", "report"}
    clone.edit("configs/rows.yaml", "rows.one_pool.bce-500.pp", 400)
    assert clone.changed() == NEVER_ASKED | {training("bce-500")} | readers_of_rows
    clone.edit("configs/datasets.yaml", "profiles.camvid.train.steps", 1)
    assert clone.changed() == NEVER_ASKED | {training("bce-500")} | readers_of_rows
    clone.edit("configs/datasets.yaml", "profiles.synthetic.train.steps", 1)
    assert clone.changed() == NEVER_ASKED | {"proposals", *map(training, FEW_ROWS)} | readers_of_rows


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("configs/rows.yaml:rows.mixed.bce-500-2280.pp=400", "pp", 400),
        ("configs/rows.yaml:++rows.mixed.bce-500-2280.overrides.warmup_share=0.3", "overrides", {"warmup_share": 0.3}),
    ],
)
def test_an_experiment_may_change_a_rows_entry(clone: Clone, override: str, key: str, value: Any) -> None:
    done = clone.dvc("exp", "run", "--set-param", override)
    entry = YAML(typ="safe").load(clone.path / "configs" / "rows.yaml")["rows"]["mixed"]["bce-500-2280"]
    assert entry[key] == value
    trained = {stage for stage in ran(done.stdout) if stage.startswith(("train", "evaluate"))}
    assert trained == {training("bce-500-2280"), evaluation("bce-500-2280")}


# ---- code ------------------------------------------------------------------------------------------------------------


def test_words_in_the_code_run_nothing_but_its_hash(clone: Clone) -> None:
    for file in ("config.py", "train/loop.py", "model/losses.py", "figures/style.py", "report/index.py"):
        source = clone.path / "stages" / file
        source.write_text(
            f"# A comment, and another first line of the docstring\n{source.read_text()}".replace('"""', '"""New. ', 1)
        )
    assert ran(clone.dvc("repro").stdout) == {"code", "validate"}


@pytest.mark.parametrize(
    ("file", "runs", "spares"),
    [
        (
            "model/losses.py",
            ("train", "evaluate", "figure1", "figure4", "stability", "collapse"),
            ("download", "boxes", "figure2", "gather"),
        ),
        ("evaluate/rectangles.py", ("evaluate",), ("train", "figure", "boxes", "gather", "tables", "report")),
        ("figures/overview.py", ("tables",), ("train", "evaluate", "figure", "collapse", "gather", "report")),
        ("report/index.py", ("report",), ("train", "evaluate", "figure", "collapse", "tables", "gather")),
        ("synthetic/vehicles.py", ("download",), ("train", "boxes", "evaluate", "figure")),
    ],
)
def test_a_statement_runs_what_imports_it(
    clone: Clone, file: str, runs: tuple[str, ...], spares: tuple[str, ...]
) -> None:
    source = clone.path / "stages" / file
    source.write_text(source.read_text() + "\nADDED = 1\n")
    clone.dvc("repro", "code")
    changed = clone.changed()
    assert all(any(stage.startswith(name) for stage in changed) for name in runs), changed
    assert not [stage for stage in changed if stage.startswith(spares)]


def test_another_dataset_keeps_what_needs_no_data(clone: Clone) -> None:
    clone.edit("params.yaml", "dataset", "camvid")
    free = {"code", "figure1", "figure4", "stability", "annotation"}
    assert clone.changed() == set(clone.lock()) - free - ALWAYS


def test_a_new_seed_trains_itself_alone_and_an_old_one_may_go(clone: Clone) -> None:
    new = SEED + 1
    clone.edit("params.yaml", "seeds", [SEED, new])
    added = {stage for row in FEW_ROWS for stage in (training(row, new), evaluation(row, new))}
    assert clone.changed() == NEVER_ASKED | added | {"gather", "report"}
    clone.reproduce()
    clone.edit("params.yaml", "seeds", [SEED])
    assert clone.changed() == NEVER_ASKED | {"gather", "report"}


def test_a_stale_seed_does_not_change_what_is_gathered(clone: Clone) -> None:
    stale = clone.path / "runs" / "bce-500" / f"seed-{SEED + 9}" / "train"
    stale.mkdir(parents=True)
    (stale / "run.json").write_text("{}")
    assert clone.changed() <= {"gather"}
