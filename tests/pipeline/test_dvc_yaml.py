"""dvc.yaml against the code: each stage declares the modules that it imports and the params that it reads."""

import ast
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from clones import declared_params
from ruamel.yaml import YAML

from stages.params import load
from stages.paths import ROOT

STAGES: dict[str, Any] = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
SETTINGS = load(ROOT)
ENTRIES = {"gather": ["stages.evaluate.gather"]}  # its command imports the rest of the room only to evaluate
LICENSED = ("download", "boxes", "figure2", "figure3", "figure5", "figure6", "report")


def test_it_stays_short_and_every_stage_says_what_it_does() -> None:
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) < 150
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
    for name, stage in STAGES.items():
        for out, flags in outs(stage).items():
            assert flags.get("cache", True), f"{name}: {out} has cache: false"
            assert not flags.get("persist", False), f"{name}: {out} has persist: true"


# ---- code ------------------------------------------------------------------------------------------------------------


def source_of(module: str) -> Path | None:
    """The file of one of the project's modules, relative to its root."""
    path = Path(*module.split("."))
    files = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in files if (ROOT / file).is_file()), None)


def imported_by(code: str) -> set[str]:
    """The project's modules that a piece of Python imports, at its top or within functions."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.startswith("stages.") and source_of(name)}


@cache
def closure(module: str) -> frozenset[Path]:
    """The files of a module and of all that it imports, directly or not."""
    reached, waiting = set(), {module}
    while waiting:
        reached |= waiting
        waiting = {name for one in waiting for name in imported_by((ROOT / source_of(one)).read_text())} - reached
    return frozenset(source_of(name) for name in reached)


def says_something(file: Path) -> bool:
    """Whether a file holds more than a docstring."""
    return len(ast.parse((ROOT / file).read_text()).body) > 1


def entries(name: str) -> list[str]:
    """The modules that a stage's command starts with: its program, and what its notebook imports."""
    if name in ENTRIES:
        return ENTRIES[name]
    program = re.match(r"python -m (\S+)", STAGES[name]["cmd"])[1]
    modules = [f"{program}.__main__" if (ROOT / Path(*program.split("."))).is_dir() else program]
    for dep in STAGES[name]["deps"]:
        if dep.endswith(".ipynb") and dep.startswith("notebooks/"):
            cells = json.loads((ROOT / dep).read_text())["cells"]
            code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
            modules += imported_by(code)
    return modules


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_declares_the_code_that_it_imports(name: str) -> None:
    files = {file for entry in entries(name) for file in closure(entry) if says_something(file)}
    deps = [Path(dep) for dep in STAGES[name]["deps"]]
    undeclared = {file for file in files if not any(file.is_relative_to(dep) for dep in deps)}
    assert not undeclared
    code = [dep for dep in deps if dep.is_relative_to("stages")]
    unused = {dep for dep in code if not any(file.is_relative_to(dep) for file in files)}
    assert not unused


def test_a_room_imports_no_later_room() -> None:
    rooms = ["download", "boxes", "train", "evaluate", "report"]
    for place, room in enumerate(rooms):
        later = {f"stages/{name}" for name in rooms[place + 1 :]}
        for file in (ROOT / "stages" / room).rglob("*.py"):
            for module in imported_by(file.read_text()):
                assert "/".join(module.split(".")[:2]) not in later, f"{file.relative_to(ROOT)} imports {module}"


# ---- params ----------------------------------------------------------------------------------------------------------


class Recorder:
    """Stands for an object and notes which of its attributes are read."""

    def __init__(self, of: Any):
        self.of, self.read = of, set()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return getattr(self.of, name)


@pytest.mark.parametrize("row", SETTINGS.order)
def test_a_training_reads_just_the_params_that_its_stage_tracks(row: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """run.json holds all that decides a run: what it is made from is what must be tracked."""
    import numpy as np

    from stages.params import Settings
    from stages.train import loop

    class Images:
        images = np.zeros((4, 8, 16, 3), np.uint8)

    class Packed:
        train = Images

    params = Recorder(SETTINGS.params)
    settings = Settings(params, SETTINGS.profile, SETTINGS.rows, SETTINGS.order)
    for measured in ("fill_rate", "label_shares"):
        monkeypatch.setattr(loop, measured, lambda *_: ())
    loop.describe(settings, row, 0, Packed, np.arange(2), np.arange(2))
    stage = STAGES[f"train-{SETTINGS.rows[row].trains.replace('_', '-')}"]
    assert params.read == set(declared_params(stage)["params.yaml"])


WHERE = {"device", "processes"}  # where a run happens


def test_the_report_tracks_all_params_but_where_runs_happen() -> None:
    assert set(declared_params(STAGES["report"])["params.yaml"]) == set(type(SETTINGS.params).model_fields) - WHERE


def test_no_stage_tracks_where_runs_happen() -> None:
    assert not any(WHERE & set(declared_params(stage).get("params.yaml", [])) for stage in STAGES.values())
