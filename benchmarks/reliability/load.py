"""Loads: 200 experiments of DVC, 100,000 images, a report of 25 seeds a row. What they take is held against bars.

Experiments: 200 finished ones, the first saved by `dvc exp save` from fabricated outputs, the others commits like it
under DVC's refs, with a tau and headline numbers of their own; then 200 queued ones, by `dvc exp run --queue`.
Images: COCO pictures of 16x16 pixels with two objects each, hard links to a few files, so that what is measured is the
work and the memory of an entry, not of a pixel. Report: results like those that the tests fabricate.

Bars on time are on CPU seconds, so that what else a machine does has no part; the wall clock stands beside them.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.reliability.clones import ENVIRONMENT, edit, processes
from stages import paths
from stages.errors import UserError
from stages.report import notebooks
from stages.report.index import OVERVIEW
from tests import miniature

EXPERIMENTS, SHOW_SECONDS = 200, 10.0
IMAGES, MOST_MIB, MOST_GROWTH = (10_000, 20_000, 100_000), 2048, 1.2
SEEDS, REPORT_SECONDS = 25, 30.0
PICTURES, SIDE = 16, 16
STAGES = {
    "download": ["stages.download"],
    "boxes": ["stages.boxes"],
    "train": ["stages.train", "--row", "ce-bootstrap-500-2280-stable", "--seed", "0"],
}
LOADS = ("experiments", "images", "report")


@dataclass(frozen=True)
class Usage:
    """What a command took.

    Attributes:
        seconds: Of wall clock.
        cpu_seconds: Of the command and all processes that it started.
        largest_mib: Resident memory of the largest of these, at its peak.
        tree_mib: Resident memory of all of them together, shared pages counted once, at the peak of what was seen every
            tenth of a second; at least `largest_mib`.
    """

    seconds: float
    cpu_seconds: float
    largest_mib: int
    tree_mib: int


def drill(root: Path, folder: Path, found: dict[str, Any], keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Put each load on the project and measure.

    Args:
        root: The project.
        folder: Empty, for clones and data.
        found: What an earlier call found; not used, each call measures anew.
        keep: Is given what is known, after each load.

    Raises:
        UserError: A command failed.
    """
    result: dict[str, Any] = {}
    for name, load in {
        "experiments": lambda place: experiments(root, place, EXPERIMENTS),
        "images": lambda place: images(root, place, IMAGES),
        "report": lambda place: report(place, SEEDS),
    }.items():
        result[name] = load(folder / name)
        keep(result)
        shutil.rmtree(folder / name)
    return result


def table(result: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return what was found as lines of Markdown, and the bars that were missed."""
    lines = [
        "| load | wall s | CPU s | largest process, MiB | all processes, MiB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    missed = []
    for load in LOADS:
        for name, usage in result.get(load, {}).items():
            numbers = (
                f"{usage['seconds']:.1f} | {usage['cpu_seconds']:.1f} | {usage['largest_mib']} | {usage['tree_mib']}"
            )
            lines.append(f"| {load}: {name} | {numbers} |")
            bar = {"experiments": SHOW_SECONDS, "report": REPORT_SECONDS}.get(load)
            if bar and "--queue" not in name and usage["cpu_seconds"] > bar:
                missed.append(f"{name}: {usage['cpu_seconds']:.0f} CPU s, allowed {bar:.0f}")
            if load == "images" and max(usage["largest_mib"], usage["tree_mib"]) > MOST_MIB:
                missed.append(f"{name}: {usage['tree_mib']} MiB, allowed {MOST_MIB}")
    lines += [
        "",
        "DVC reads the pipeline of each experiment once, and that of a queued one at every call, in half a second of "
        "CPU time or more; `make compare` leaves queued ones out, as `dvc exp show --hide-queued` does.",
        "",
    ]
    for stage, growth in growths(result.get("images", {})).items():
        lines.append(f"CPU time an image, {stage}: {growth:.2f} times what it is between the two smaller sizes.")
        if growth > MOST_GROWTH:
            missed.append(f"{stage}: {growth:.2f} times the CPU time an image, allowed {MOST_GROWTH}")
    return lines, missed


def growths(usages: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return, by stage, the CPU time that a further image takes at the largest sizes over that at the smallest.

    Between two sizes, so that what a stage takes to start counts in neither. Of the first two stages: a training of a
    fixed number of steps reads no image more.
    """
    found = {}
    for stage in ("download", "boxes"):
        sizes = sorted((int(name.split()[0]), usage["cpu_seconds"]) for name, usage in usages.items() if stage in name)
        if len(sizes) > 2:
            slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in zip(sizes, sizes[1:], strict=False)]
            found[stage] = slopes[-1] / slopes[0]
    return found


def measured(command: Sequence[str], folder: Path, **environ: str) -> Usage:
    """Run a command in a folder, and measure it and the processes that it starts.

    Raises:
        UserError: It failed.
    """
    log, started, largest, most = folder / "measured.log", time.monotonic(), 0, 0
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=ENVIRONMENT | environ, stdout=stream, stderr=stream, start_new_session=True
        )
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            now = session_kib(process.pid)
            largest, most = max(largest, now[0]), max(most, now[1])
            time.sleep(0.1)
    _, status, usage = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UserError(f"{' '.join(command)} failed in {folder}:\n{log.read_text()[-2000:]}")
    return Usage(
        round(time.monotonic() - started, 1),
        round(usage.ru_utime + usage.ru_stime, 1),
        round(largest / 1024),
        round(max(most, largest) / 1024),
    )


def session_kib(leader: int) -> tuple[int, int]:
    """Return the resident memory of a session's processes in KiB: the largest one's peak, and now that of all together.

    What several share counts once. From /proc: `ru_maxrss` of a child begins with what its parent holds.
    """
    peaks, shares = [0], [0]
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[3]) == leader:
                peaks += map(int, re.findall(r"^VmHWM:\s+(\d+) kB$", (entry / "status").read_text(), re.M))
                shares += map(int, re.findall(r"^Pss:\s+(\d+) kB$", (entry / "smaps_rollup").read_text(), re.M))
    return max(peaks), sum(shares)


# ---- experiments -----------------------------------------------------------------------------------------------------


def experiments(root: Path, folder: Path, count: int) -> dict[str, Any]:
    """Return what `dvc exp show` and `make compare` take of so many finished experiments, then of as many queued ones.

    Raises:
        UserError: A command failed.
    """
    clone = _clone(root, folder)
    dvc = [sys.executable, "-m", "dvc"]
    show = [*dvc, "exp", "show", "--no-pager"]
    compare = ["make", "--old-file=.venv/installed", f"BIN={Path(sys.executable).parent}", "compare"]
    fabricate_outs(clone)
    measured([*dvc, "commit", "--force", "--quiet"], clone)
    measured([*dvc, "exp", "save", "--force", "--name", "load-0"], clone)
    write_experiments(clone, count)
    found = {
        f"dvc exp show, {count} finished for the first time": measured(show, clone),
        f"dvc exp show, {count} finished": measured(show, clone),
        f"make compare, {count} finished": measured(compare, clone),
    }
    _check_shown(clone, count)
    last = 1 + (count - 1) / 1000
    found[f"dvc exp run --queue, {count}"] = measured(
        [*dvc, "exp", "run", "--queue", "--set-param", f"tau=range(1.0,{last + 0.0005},0.001)"], clone
    )
    found[f"dvc exp show, {count} finished, {count} queued"] = measured(show, clone)
    found[f"make compare, {count} finished, {count} queued"] = measured(compare, clone)
    for number in processes(clone):  # dvc leaves a worker that waits to tidy up its queue
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return {name: asdict(usage) for name, usage in found.items()}


def _check_shown(clone: Path, count: int) -> None:
    """Check that the table shows each experiment and its number.

    Raises:
        UserError: It does not.
    """
    shown = (clone / "measured.log").read_text()
    if missing := [number for number in range(count) if f"[load-{number}]" not in shown]:
        raise UserError(f"make compare shows {count - len(missing)} of {count} experiments:\n{shown[:2000]}")


def _clone(root: Path, folder: Path) -> Path:
    subprocess.run(["git", "clone", "--quiet", str(root), str(folder)], check=True)
    for key, value in {"user.name": "drill", "user.email": "drill@localhost"}.items():
        subprocess.run(["git", "config", key, value], cwd=folder, check=True)
    return folder


def fabricate_outs(clone: Path) -> None:
    """Write a file or a folder for each output of the pipeline, and for what stages read inside of these."""
    from dvc.repo import Repo  # takes a second

    with Repo(str(clone)) as repo:
        outs = [Path(out.fs_path) for out in repo.index.outs]
        deps = [Path(dep.fs_path) for dep in repo.index.deps]
    for path in [*outs, *(dep for dep in deps if any(dep.is_relative_to(out) for out in outs))]:
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_headlines(0) if path.name == "metrics.json" else "{}\n")
        else:
            path.mkdir(parents=True, exist_ok=True)
            (path / "content.txt").write_text(path.name)


def _headlines(number: int) -> str:
    iou = dict.fromkeys(("full", "masks", "mixed", "stable"), 50 + number / 100)
    return json.dumps({"iou": iou, "mean_iou": {"stable": 40 + number / 100}})


def write_experiments(clone: Path, count: int) -> None:
    """Write copies of the experiment load-0 until there are `count`, each of another tau and other headline numbers."""

    def git(*words: str, text: str | None = None) -> str:
        return subprocess.run(["git", *words], cwd=clone, input=text, capture_output=True, text=True, check=True).stdout

    (ref,) = git("for-each-ref", "--format=%(refname)", "refs/exps/*/*/load-0").split()
    base = git("rev-parse", f"{ref}~").strip()
    params, lock = git("show", f"{ref}:params.yaml"), git("show", f"{ref}:dvc.lock")
    lines = []
    for number in range(1, count):
        headlines, tau = _headlines(number), f"tau: {2 + number / 1000}"
        digest = hashlib.md5(headlines.encode(), usedforsecurity=False).hexdigest()
        kept = clone / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(headlines)
        entry = r"(path: metrics\.json\s+hash: md5\s+md5: )\w+(\s+size: )\d+"
        changed = re.sub(entry, rf"\g<1>{digest}\g<2>{len(headlines)}", lock)
        files = {
            "params.yaml": re.sub("^tau: [0-9.]+", tau, params, flags=re.M),
            "dvc.lock": re.sub(r"\btau: [0-9.]+", tau, changed),
        }
        lines += [f"commit {ref.removesuffix('load-0')}load-{number}", "committer drill <drill@localhost> now"]
        lines += [_data(f"load {number}"), f"from {base}"]
        for name, text in files.items():
            lines += [f"M 100644 inline {name}", _data(text)]
        lines.append("")
    git("fast-import", "--quiet", "--date-format=now", text="\n".join(lines))


def _data(text: str) -> str:
    """Return a text as git fast-import reads it."""
    return f"data {len(text.encode())}\n{text}"


# ---- images ----------------------------------------------------------------------------------------------------------


def images(root: Path, folder: Path, counts: Sequence[int]) -> dict[str, Any]:
    """Return what each of STAGES takes of so many images.

    Raises:
        UserError: A stage failed.
    """
    found = {}
    for count in counts:
        clone, data = _clone(root, folder / f"clone-{count}"), folder / f"data-{count}"
        write_coco(data, count)
        prepare(clone)
        environ = {"COCO_ROOT": str(data)}
        measured([sys.executable, "-m", "stages.download.place"], clone, **environ)
        for stage, words in STAGES.items():
            usage = measured([sys.executable, "-m", *words], clone, **environ)
            found[f"{count} images, {stage}"] = asdict(usage)
        shutil.rmtree(clone)
        shutil.rmtree(data)
    return found


def prepare(clone: Path) -> None:
    """Choose the COCO pictures as data, at their own size, and ten steps of training."""
    edit(clone / "params.yaml", lambda params: params.update(dataset="mine", steps=10, device="cpu"))
    edit(paths.datasets(clone), lambda data: data["profiles"]["mine"]["boxes"].update(size=[SIDE, SIDE]))


def write_coco(folder: Path, count: int) -> None:
    """Write so many pictures, links to a few files, and one COCO file that lists them all, with two squares each."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    noise = np.random.default_rng(0)
    for number in range(PICTURES):
        Image.fromarray(noise.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(pictures / f"{number:06}.png")
    for number in range(PICTURES, count):
        (pictures / f"{number:06}.png").hardlink_to(pictures / f"{number % PICTURES:06}.png")
    content: dict[str, Any] = {
        "categories": [{"id": label, "name": name} for label, name in enumerate(("square", "other"), start=1)],
        "images": [{"id": n, "file_name": f"pictures/{n:06}.png", "width": SIDE, "height": SIDE} for n in range(count)],
    }
    content["annotations"] = [
        {
            "id": 2 * number + label,
            "image_id": number,
            "category_id": label,
            "bbox": [x, x, 6, 6],
            "segmentation": [[x, x, x + 6, x, x + 6, x + 6, x, x + 6]],
            "iscrowd": 0,
        }
        for number in range(count)
        for label, x in ((1, 1), (2, 9))
    ]
    (folder / "instances.json").write_text(json.dumps(content))


# ---- the report ------------------------------------------------------------------------------------------------------


def report(folder: Path, seeds: int) -> dict[str, Any]:
    """Return what the report and the notebook of tables take of so many seeds of each row.

    Raises:
        UserError: One of them failed.
    """
    project = fabricate_results(folder, seeds)
    programs = {
        "the report's pages": ["stages.report"],
        "the notebook of tables": ["stages.report.notebooks", "tables"],
    }
    return {
        f"{name}, {seeds} seeds": asdict(
            measured([sys.executable, "-m", *words], project, PYTHONPATH=str(Path(__file__).parents[2]))
        )
        for name, words in programs.items()
    }


def fabricate_results(folder: Path, seeds: int) -> Path:
    """Write results of so many seeds of each row, and stand-ins for the notebooks whose pictures the report shows."""
    project = miniature.make(folder, seeds=tuple(range(seeds)))
    for name in (*notebooks.FIGURES, OVERVIEW, "annotation"):
        miniature.write_figure_notebook(project, name)
    return project
