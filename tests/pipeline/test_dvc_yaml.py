"""dvc.yaml against the code: each stage depends on the code that it runs, and tracks the params that it reads."""

import ast
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages import fingerprint
from stages.config import load
from stages.model.hyperparameters import resolve
from stages.paths import ROOT
from tests.pipeline.clones import declared_params
from tests.two_classes import CLASSES

STAGES: dict[str, Any] = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
SETTINGS = load(ROOT)
LICENSED = ("download", "boxes", "proposals", "figure2", "figure3", "figure5", "figure6", "report")


def test_every_stage_says_what_it_does() -> None:
    for name, stage in STAGES.items():
        assert stage["desc"], name


def test_it_reads_top_down() -> None:
    """A stage stands below the stages whose outs it reads."""
    written: list[str] = []
    for name, stage in reversed(STAGES.items()):
        later = [out for out in written if any(f"{out}/".startswith(f"{dep}/") for dep in stage["deps"])]
        assert not later, f"{name} reads {later}, written further down"
        written += outs(stage)


def outs(stage: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A stage's outs with their flags."""
    return dict(next(iter(out.items())) if isinstance(out, dict) else (out, {}) for out in stage["outs"])


@pytest.mark.parametrize("name", LICENSED)
def test_what_shows_or_holds_pictures_of_the_data_is_never_pushed(name: str) -> None:
    assert all(flags.get("push") is False for flags in outs(STAGES[name]).values())


def test_no_out_turns_the_run_cache_off() -> None:
    cached = {name: stage for name, stage in STAGES.items() if not stage.get("always_changed")}
    assert set(STAGES) - set(cached) == {"source"}
    for name, stage in cached.items():
        for out, flags in outs(stage).items():
            assert flags.get("cache", True), f"{name}: {out} has cache: false"
            assert not flags.get("persist", False), f"{name}: {out} has persist: true"


# ---- code ------------------------------------------------------------------------------------------------------------


def test_a_stage_depends_on_the_hash_of_the_code_that_its_command_runs(tmp_path: Path) -> None:
    programs = fingerprint.PROGRAMS | {
        file.stem: [fingerprint.NOTEBOOK_PROGRAM, *fingerprint.notebook_imports(file)]
        for file in (ROOT / "notebooks").glob("*.ipynb")
    }
    for name, stage in STAGES.items():
        hashes = [Path(dep).stem for dep in stage["deps"] if dep.startswith("data/code/")]
        if name in ("validate", "code", "source"):
            assert not hashes
            continue
        assert len(hashes) == 1, name
        module, *words = stage["cmd"].removeprefix("python -m ").split()
        notebook = words[0] if module == fingerprint.NOTEBOOK_PROGRAM else None
        assert {module, f"{module}.__main__"} & set(programs[hashes[0]]), name
        assert notebook in (None, hashes[0])
        assert not [dep for dep in stage["deps"] if dep.startswith("stages/") and dep != "stages/report/templates"], (
            name
        )


def test_validate_declares_the_code_that_it_imports() -> None:
    deps = {dep for dep in STAGES["validate"]["deps"] if dep.startswith("stages/")}
    files = {file.relative_to(ROOT).as_posix() for file in fingerprint.closure(["stages.validate"]).values()}
    assert deps == {file for file in files if not file.endswith("__init__.py")}


PACKAGES = [
    "synthetic",
    "download",
    "boxes",
    "proposals",
    "model",
    "train",
    "evaluate",
    "analysis",
    "figures",
    "report",
]


def test_a_package_imports_no_later_package() -> None:
    for place, package in enumerate(PACKAGES):
        later = {f"stages.{name}" for name in PACKAGES[place + 1 :]} | {"stages.studies"}
        for file in (ROOT / "stages" / package).rglob("*.py"):
            modules = fingerprint._imports(ast.parse(file.read_text()), str(file))
            assert not {".".join(module.split(".")[:2]) for module in modules} & later, file


def test_studies_import_nothing_that_draws_or_writes_pages() -> None:
    for file in (ROOT / "stages" / "studies").glob("*.py"):
        modules = {".".join(m.split(".")[:2]) for m in fingerprint._imports(ast.parse(file.read_text()), str(file))}
        assert not modules & {"stages.report", "stages.figures", "stages.analysis"}, file


def test_figure_1_imports_no_other_figure() -> None:
    imported = fingerprint.notebook_imports(ROOT / "notebooks" / "figure1.ipynb")
    modules = fingerprint.closure([fingerprint.NOTEBOOK_PROGRAM, *imported])
    drawn = {name for name in modules if name.startswith("stages.figures.")}
    assert drawn == {"stages.figures.figure1", "stages.figures.loss_surfaces", "stages.figures.style"}


# ---- params ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", SETTINGS.rows)
def test_a_training_uses_just_the_params_that_its_stage_tracks(row: str) -> None:
    chosen = resolve(SETTINGS, row, CLASSES)
    used = {key for key in type(SETTINGS.params).model_fields if getattr(chosen, key, None) is not None}
    stage = STAGES[f"train-{SETTINGS.rows[row].group.replace('_', '-')}"]
    if SETTINGS.rows[row].group == "methods":  # with and without pixel-perfect images
        used |= {"pp_chance", "sampler"}
    assert used == set(declared_params(stage)["params.yaml"])


WHERE = {"device", "processes"}  # where a run happens


def test_the_report_tracks_all_params_but_where_runs_happen() -> None:
    assert set(declared_params(STAGES["report"])["params.yaml"]) == set(type(SETTINGS.params).model_fields) - WHERE


def test_no_stage_tracks_where_runs_happen() -> None:
    assert not any(WHERE & set(declared_params(stage).get("params.yaml", [])) for stage in STAGES.values())
