"""benchmarks/RELIABILITY.md, from what the drills found."""

from collections.abc import Callable, Mapping
from typing import Any

Table = Callable[[Mapping[str, Any]], tuple[list[str], list[str]]]
"""Of what a drill found: lines of Markdown, and the bars that it missed."""

TITLES = {
    "kills": "Kills",
    "faults": "Damaged files, full disks, odd surroundings",
    "fuzz": "Wrong input",
    "load": "Load",
    "advisories": "Known faults of the packages in the lock",
}
NOT_COVERED = (
    "CUDA: no drill ran on a GPU. A checkpoint there has the same form; a captured graph is made anew after a kill.",
    "A machine that loses power: SIGKILL leaves what the system has buffered; a power cut may lose it. Files are put "
    "into their place without fsync, so after one, run `make verify`.",
    "Several machines: network file systems, SLURM's own kills, DVC remotes that fail half-way.",
    "Other systems: every drill ran on Linux.",
    "A damaged bit in the memory, or in an image of a data source without checksums: it is part of the data from then "
    "on.",
    "Other bits: one bit of each kind of file was flipped, drawn at random.",
    "The system's own clock: an hour back was tried as `time.time()` of a training, and as the times of all files.",
    "Larger lists: 100,000 pictures had two objects each. More objects need more memory in `download` and `boxes`.",
    "Faults of packages that no public list names yet, of the libraries inside their wheels, and of the CUDA packages.",
    "Malice by whoever may write to the project: its Python files, notebooks and DVC files are code.",
)


def page(found: Mapping[str, Any], tables: Mapping[str, Table]) -> tuple[str, list[str]]:
    """Return the page, and the bars that were missed, each with its drill.

    Args:
        found: By drill, what it found; a drill that never ran has no part.
        tables: By drill, how that is shown.
    """
    lines, missed = [], []
    for name, title in TITLES.items():
        if name not in found:
            missed.append(f"{name}: has not run")
            continue
        shown, bars = tables[name](found[name])
        missed += [f"{name}: {bar}" for bar in bars]
        command = f"`python -m benchmarks.reliability {name}`"
        lines += [f"## {title}", "", f"{command}, commit {found[name].get('commit', 'unknown')}.", "", *shown, ""]
    answer = "No bar is missed." if not missed else "Missed: " + "; ".join(missed) + "."
    head = [
        "# What is lost when something goes wrong",
        "",
        "Written by `python -m benchmarks.reliability`, from benchmarks/reliability/found.json. Each drill runs the "
        "project's own commands in clones, in miniature: few images, rows and steps.",
        "",
        answer,
        "",
    ]
    tail = ["## What no drill covers", "", *(f"- {line}" for line in NOT_COVERED)]
    return "\n".join([*head, *lines, *tail]) + "\n", missed
