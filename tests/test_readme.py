"""README.md: every link, path and command in it is real, and its numbers are those of the committed reference run."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages import params
from stages.report import paper, reference
from stages.report.records import Result
from stages.report.tables import paper_tables

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MADE = ("data/", "runs/", "results/", "reports/", "metrics.json", ".venv")
KEPT = sorted(path.parent for path in (ROOT / "reference").glob("*/results"))


def commands() -> list[list[str]]:
    """Every line of the README's shell blocks in words, without leading VAR=value."""
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL)).splitlines()
    return [shlex.split(re.sub(r"^([A-Z_]+=\S+ )+", "", line)) for line in lines if line]


def inline() -> list[str]:
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", README, flags=re.DOTALL))


def test_every_link_leads_to_a_file():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_path_in_the_text_is_there_or_made_by_the_pipeline():
    named = [text for text in inline() if re.fullmatch(r"[\w./<>-]+/[\w./<>*-]*|[\w-]+\.(yaml|md|cff)", text)]
    assert len(named) > 5
    assert [path for path in named if not path.startswith(MADE) and not (ROOT / path).exists()] == []


def test_every_make_target_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = {line[1] for line in commands() if line[0] == "make"} | set(re.findall(r"`make ([a-z]+)`", README))
    assert {"reproduce", "test", "compare"} <= called <= targets


def test_every_parameter_that_is_set_is_known_and_its_value_allowed():
    known = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
    settings = re.findall(r"-S '?(\w+)=([^\s'`]+)", README)
    assert {key for key, _ in settings} == {"tau", "dataset", "seeds"}
    for key, value in settings:
        params.Params.model_validate(known | {key: YAML(typ="safe", pure=True).load(value)})


def test_every_module_that_is_run_takes_the_options_that_it_is_given():
    calls = [line for line in commands() if line[0] == "python"]
    calls += [shlex.split(text) for text in inline() if text.startswith("python -m")]
    assert len(calls) >= 3
    settings = params.load(ROOT)
    for call in calls:
        shown = subprocess.run(
            [sys.executable, *call[1:3], "--help"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert shown.returncode == 0 or call[2] == "stages.validate", call
        assert [word for word in call[3:] if word.startswith("--") and word not in shown.stdout] == []
        if "--row" in call:
            assert call[call.index("--row") + 1] in settings.rows


def test_the_picture_and_the_table_of_the_pipeline_name_every_stage():
    stages = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"]
    picture = re.search(r"```mermaid\n(.*?)```", README, re.DOTALL)[1]
    for name in stages:
        assert ("train" if name.startswith("train") else name) in picture, name


def test_no_placeholder_is_left():
    assert "PLACEHOLDER" not in README


@pytest.mark.parametrize("folder", KEPT, ids=lambda path: path.name)
def test_a_reference_holds_no_photograph_and_its_tables_are_its_results(folder: Path, tmp_path: Path):
    kept = json.loads((folder / "settings.json").read_text())["params"]
    settings = params.load(ROOT)
    settings = params.Settings(
        settings.params.model_copy(update={"dataset": kept["dataset"]}), settings.profile, settings.rows, settings.order
    )
    results = {}
    for name in settings.order:
        content = json.loads((folder / "results" / f"{name}.json").read_text())
        assert content["dataset"] == kept["dataset"]
        results[name] = Result(name, tuple(content["runs"]))
    for table in paper_tables(paper.load(ROOT), settings, results):
        assert (folder / "tables" / f"{table.key}.md").read_text(encoding="utf-8") == table.markdown()
    assert {path.name for path in folder.glob("*.png")} <= {"overview.png", "masks.png"}
    assert all(path.stat().st_size < 1_000_000 for path in folder.rglob("*") if path.is_file())


def test_the_readmes_tables_are_those_of_the_reference_run():
    assert reference.insert(README, "tables", reference.tables_of(ROOT / "reference" / "camvid-cpu")) == README
