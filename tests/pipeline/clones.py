"""Temporary clones of the project whose stages are stubs, so that dvc itself can be asked what re-runs."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages.paths import ROOT
from tests.pipeline import stub

ENVIRONMENT = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}

# The rows that figures draw and one of every other kind: dvc needs a second or more for each stage that it runs.
FEW_ROWS = [
    "bce-2780",
    "bce-500",
    "bce-500-2280",
    "grabcut-500-2280",
    "regression-all-500-2280",
    "regression-0-2780",
    "uncertainty-500-2280",
    "bootstrap-500-2280",
    "bootstrap-500-2280-stable",
    "bootstrap-100-2680",
    "bootstrap-100-2680-stable",
    "ce-500-2280",
    "ce-bootstrap-500-2280",
    "ce-bootstrap-500-2280-stable",
]

TWO_ROWS = ["bce-500", "bootstrap-500-2280"]
REAL = ("validate", "code", "source")
"""Stages that run as they are: they take no time, and their outs decide what else runs."""
ALWAYS = {"source"}
"""Stages that dvc runs every time; what they write decides whether anything else does."""


class Clone:
    """A copy of the project under git and dvc."""

    def __init__(self, path: Path):
        self.path = path

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the clone."""
        done = subprocess.run(command, cwd=self.path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    def dvc(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run dvc in the clone."""
        return self.run(sys.executable, "-m", "dvc", *arguments, check=check)

    def changed(self) -> set[str]:
        """The stages, but for ALWAYS, whose own params, deps or outs differ from what they last ran with.

        As `dvc status` says.
        """
        return set(json.loads(self.dvc("status", "--json").stdout)) - ALWAYS

    def edit(self, file: str, key: str, value: Any) -> None:
        """Set one value, where a dot in `key` goes one map deeper."""
        yaml, path = YAML(), self.path / file
        data = yaml.load(path)
        *parents, last = key.split(".")
        place = data
        for part in parents:
            place = place[part]
        place[last] = value
        yaml.dump(data, path)

    def commit(self) -> None:
        """Commit all that git does not ignore."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message=test")

    def reproduce(self) -> None:
        """Bring every stage up to date: as `dvc repro`, in a fraction of its time."""
        from dvc.repo import Repo

        (self.path / "data").mkdir(exist_ok=True)
        before = Path.cwd()
        with Repo(self.path) as repo:
            stages = repo.index.stages
            os.chdir(self.path)
            try:
                for stage in stages:  # in the order of dvc.yaml, where a stage comes after what it reads
                    program, *words = shlex.split(stage.cmd)[1:]
                    if program == "stub.py":
                        stub.main(words)
                    else:
                        self.run(*shlex.split(stage.cmd))
            finally:
                os.chdir(before)
        self.dvc("commit", "--force", "--quiet")

    def lock(self) -> dict[str, Any]:
        """dvc.lock: by stage, what dvc itself resolved and recorded as cmd, deps, params and outs."""
        return YAML(typ="safe").load(self.path / "dvc.lock")["stages"]


def ran(output: str) -> set[str]:
    """Names of the stages that dvc says it runs, from its output, but for ALWAYS."""
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage '")} - ALWAYS


def copy_project(path: Path) -> Clone:
    """Copy every file that git tracks or would track into a git repository of its own, and commit."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        # Not what was deleted since it was tracked; and not what a run of the pipeline left, which would be up to date.
        if (ROOT / name).is_file() and name != "dvc.lock":
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, path / name)
    clone = Clone(path)
    clone.run("git", "init", "--quiet", "--initial-branch=main")
    clone.run("git", "config", "user.name", "test")
    clone.run("git", "config", "user.email", "test@localhost")
    clone.commit()
    return clone


def use_stubs(clone: Clone) -> None:
    """Replace every stage's command but those of REAL by the stub, told what the stage declares."""
    shutil.copy(Path(stub.__file__), clone.path / "stub.py")
    yaml, path = YAML(typ="safe"), clone.path / "dvc.yaml"
    pipeline = yaml.load(path)
    rows = yaml.load(clone.path / "configs" / "rows.yaml")["rows"]
    read = [dep for stage in pipeline["stages"].values() for dep in read_by(stage, rows)]
    for name, stage in pipeline["stages"].items():
        if name not in REAL:
            stage["cmd"] = stub_command(stage, read)
    yaml.dump(pipeline, path)
    clone.commit()


def read_by(stage: dict[str, Any], rows: dict[str, Any]) -> list[str]:
    """A stage's deps, those of a file for each row with the names of its group's rows."""
    group = stage.get("matrix", {}).get("row", "").removeprefix("${rows.").removesuffix("}")
    names = rows.get(group, {})
    return [
        dep.replace("${item.row}", name) for dep in stage["deps"] for name in (names if "${item.row}" in dep else [""])
    ]


def stub_command(stage: dict[str, Any], read: list[str]) -> str:
    """The stub's command line for a stage, with dvc.yaml's `${...}` left for dvc to resolve.

    `read`: the deps of all stages; of a folder that the stage writes, the files that others read are written too.
    """
    params = [(file, key) for file, keys in declared_params(stage).items() for key in keys]
    outs = [next(iter(out)) if isinstance(out, dict) else out for out in stage["outs"] + stage.get("metrics", [])]
    outs += [dep for dep in read if any(dep.startswith(f"{out}/") and Path(dep).suffix for out in outs)]
    words = [f"--param={file}:{key}" for file, key in params]
    words += [f"--dep={dep}" for dep in stage["deps"]]
    return " ".join(["python", "stub.py", *words, *(f"--out={out}" for out in outs)])


def declared_params(stage: dict[str, Any]) -> dict[str, list[str]]:
    """A stage's params by file, from its entry in dvc.yaml."""
    params: dict[str, list[str]] = {}
    for item in stage.get("params", []):
        for file, keys in item.items() if isinstance(item, dict) else [("params.yaml", [item])]:
            params.setdefault(file, []).extend(keys)
    return params


def keep_rows(clone: Clone, rows: list[str]) -> None:
    """Drop all rows but these."""
    yaml, path = YAML(typ="safe"), clone.path / "configs" / "rows.yaml"
    data = yaml.load(path)
    groups = data["rows"].items()
    data["rows"] = {group: {row: entries[row] for row in rows if row in entries} for group, entries in groups}
    yaml.dump(data, path)
