"""Damaged files and odd surroundings: what a stage says of them, and whether its outputs are right all the same.

A clone runs once, in miniature. Then every kind of file that a stage reads is damaged in every way, one at a time: the
program that reads it runs alone, and, from the damaged project again, `dvc repro` of its stage, which is how users run.
The outputs are compared, byte by byte but for times, with those of the undamaged run, and all is put back.
"""

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.reliability import damages, surroundings
from benchmarks.reliability.clones import ENVIRONMENT, commit, miniature
from benchmarks.reliability.damages import DAMAGES, RUN, STABLE, Kind
from benchmarks.reliability.kills import start
from benchmarks.reliability.outcomes import DEFECTS, OUTCOMES, Project, judge
from benchmarks.reliability.surroundings import PYTHON, REPRO
from stages.errors import UserError

ALONE, REPRODUCED = "program", "dvc repro"
"""The two ways in which a damaged file is read."""
SEED = 0


def drill(root: Path, folder: Path, found: dict[str, Any], keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Damage everything, and make every surrounding.

    Args:
        root: The project.
        folder: Empty; where the clone goes.
        found: What an earlier call kept; of the same commit, its cases are not run again.
        keep: Takes what has been found so far.

    Returns:
        commit: Of the project. files: the cases of damaged files, each with kind, way, damage, outcome and said.
        surroundings: those of surroundings, each with surroundings, outcome and said.

    Raises:
        UserError: The undamaged run failed.
    """
    here = commit(root)
    result: dict[str, Any] = {"commit": here, "files": [], "surroundings": []}
    if found.get("commit") == here:
        result = {key: found.get(key, value) for key, value in result.items()}
    done = {(case["kind"], case["way"], case["damage"]) for case in result["files"]}
    known = {case["surroundings"] for case in result["surroundings"]}
    project = undamaged(root, folder / "project")
    for kind in damages.kinds(project.path):
        for way, damage in ways(kind):
            if (kind.name, way, damage) not in done:
                result["files"].append(read_damaged(project, kind, way, damage))
        keep(result)
    for name, case in surroundings.cases().items():
        if name not in known:
            result["surroundings"].append(surroundings.run(name, case, project))
            keep(result)
    return result


def undamaged(root: Path, copy: Path) -> Project:
    """Run the pipeline in miniature; leave a row's checkpoint, as of a training that was killed after its last step.

    Raises:
        UserError: It failed.
    """
    miniature(root, copy)
    process, log = start(copy, "repro")
    if process.wait():
        raise UserError(f"the undamaged run failed:\n{log.read_text()[-2000:]}")
    finished = (copy / RUN).rename(copy.with_name("finished"))  # or there would be nothing to train ahead
    ahead = [PYTHON, "-m", "stages.train.ahead", f"{STABLE}:0"]
    subprocess.run(ahead, cwd=copy, env=ENVIRONMENT, check=True, capture_output=True)
    finished.rename(copy / RUN)
    return Project(copy)


def ways(kind: Kind) -> list[tuple[str, str]]:
    """Return how a kind of file is read, and after what damage; rot is what a program alone cannot tell from a bit."""
    alone = [(ALONE, damage) for damage in DAMAGES if damage != "rot"] if kind.program else []
    return alone + ([(REPRODUCED, damage) for damage in DAMAGES] if kind.target else [])


def read_damaged(project: Project, kind: Kind, way: str, damage: str) -> dict[str, str]:
    """Damage a file, let it be read, and put all back.

    Args:
        project: In which everything has run.
        kind: Of the file.
        way: ALONE or REPRODUCED.
        damage: A key of DAMAGES.

    Returns:
        The case, see `drill`.
    """
    file = project.path / kind.file
    if damage == "rot":
        project.run(*REPRO, kind.target)  # which changes nothing, and dvc knows the times of all files
    status, content = file.stat(), file.read_bytes()
    try:
        file.chmod(0o644)
        file.write_bytes(damages.damaged(kind, damage, content, SEED))
        if damage == "rot":
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        if kind.name == "cache object":
            file.chmod(status.st_mode)
            subprocess.run(["rm", "-rf", str(project.path / RUN / "evaluate")], check=True)
        outcome, said = _read(project, kind, way, damage)
    finally:
        project.put_back()
    return {"kind": kind.name, "way": way, "damage": damage, "outcome": outcome, "said": said}


def _read(project: Project, kind: Kind, way: str, damage: str) -> tuple[str, str]:
    """Run what reads a damaged file, and return what came of it and what was said."""
    names = [kind.file, *([folder] if (folder := Path(kind.file).parent.as_posix()) != "." else [])]
    if way == ALONE:
        ended = project.run(PYTHON, "-m", *kind.program)
        outcome = judge(project, ended, names, kind.file)
        hashed = kind.target and damage == "bit"
        return ("trusted" if hashed and outcome == "wrong" else outcome), project.said(ended)
    ended = project.run(*REPRO, kind.target)
    outcome = judge(project, ended, names, kind.file)
    at_rest = damage in ("bit", "rot") or kind.name == "cache object"  # where dvc does not look for a change
    rotten = damage == "rot" and outcome == "harmless" and kind.name != "dvc.lock"  # whose time dvc does not go by
    if at_rest and (outcome == "wrong" or rotten):
        verified = project.run(PYTHON, "-m", "stages.verify")
        told = [line for line in verified.text.splitlines() if kind.file in line]
        return ("verify", told[0].replace(str(project.path), "PROJECT")) if told else ("wrong", "")
    return outcome, project.said(ended)


def table(result: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return what was found as lines of Markdown, and each case in which a bar is missed."""
    files, around = result["files"], result["surroundings"]
    lines = []
    for way, title in ((ALONE, "The program alone"), (REPRODUCED, "`dvc repro` of its stage")):
        columns = [damage for damage in DAMAGES if (way, damage) != (ALONE, "rot")]
        lines += [f"| {title} reads | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
        for kind in dict.fromkeys(case["kind"] for case in files if case["way"] == way):
            by_damage = {case["damage"]: _word(case) for case in files if (case["kind"], case["way"]) == (kind, way)}
            lines.append(f"| {kind} | {' | '.join(by_damage.get(damage, '–') for damage in columns)} |")
        lines.append("")
    lines += [f"- {damage}: {what}." for damage, what in DAMAGES.items()]
    lines += ["", "| Surroundings | outcome |", "|---|---|"]
    lines += [f"| {case['surroundings']} | {_word(case)} |" for case in around]
    counts = Counter(case["outcome"] for case in [*files, *around])
    lines += ["", "| outcome | cases | what it means |", "|---|---:|---|"]
    lines += [f"| {outcome} | {counts[outcome]} | {what} |" for outcome, what in OUTCOMES.items()]
    unrun = [f"{case['surroundings']}: not run ({case['said']})" for case in around if case["outcome"] == "not run"]
    missed = [f"{_name(case)}: {case['outcome']}" for case in [*files, *around] if case["outcome"] in DEFECTS]
    return lines + (["", *unrun] if unrun else []), missed


def _word(case: Mapping[str, str]) -> str:
    return f"**{case['outcome']}**" if case["outcome"] in DEFECTS else case["outcome"]


def _name(case: Mapping[str, str]) -> str:
    """Return what a case is called in a line."""
    words: Sequence[str] = [case.get("surroundings", "")]
    if "kind" in case:
        words = [case["kind"], case["damage"], case["way"]]
    return ", ".join(words)
