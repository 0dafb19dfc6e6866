"""`python -m benchmarks.pipeline`: time and memory of each stage of `dvc repro`, in a clone at the last commit.

With `--shares 0.125 0.25 0.5 1` the pipeline runs once for each share of the images, trained for the same share of the
steps, which shows how the cost grows; `--write` keeps the numbers, for the report's appendix.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from ruamel.yaml import YAML

from stages import arrays, config, paths
from stages.config import Settings
from stages.device import name as device_name
from stages.device import resolve
from stages.errors import UserError
from stages.errors import run as run_program

NO_OPS = 3
MIB = 1 << 20


def main() -> None:
    """Read the command line, run, print a table for each share."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__.splitlines()[0])
    parser.add_argument("--shares", nargs="+", type=float, default=[1.0], metavar="SHARE", help="of the images, to 1")
    parser.add_argument("--targets", nargs="+", default=[], metavar="STAGE", help="of dvc.yaml; without it, all")
    parser.add_argument("--write", type=Path, metavar="FILE", help="keep the numbers as JSON")
    arguments = parser.parse_args()
    settings = config.load()
    if wrong := [share for share in arguments.shares if not 0 < share <= 1]:
        raise UserError(f"--shares {wrong[0]}: allowed: above 0, at most 1")
    if settings.profile.scenes.source != "synthetic" and set(arguments.shares) != {1.0}:
        raise UserError(
            f"--shares: allowed with dataset {settings.params.dataset}: 1, as only synthetic scenes can be fewer"
        )
    device = resolve(settings.params.device)
    found: dict[str, Any] = {
        "dataset": settings.params.dataset,
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "runs": [],
    }
    for share in arguments.shares:
        with tempfile.TemporaryDirectory() as folder:
            found["runs"].append(run(paths.ROOT, Path(folder) / "project", settings, share, arguments.targets))
        print(f"{found['device']}, {found['threads']} threads\n{table(found['runs'][-1])}\n", flush=True)
        if arguments.write:
            arrays.write_json(arguments.write, found)


def run(root: Path, copy: Path, settings: Settings, share: float, targets: Sequence[str]) -> dict[str, Any]:
    """Run the pipeline once in a new clone, as far as the targets need it, and measure it.

    Args:
        root: The project.
        copy: Where the clone goes.
        settings: The content of the user's three files.
        share: Of the images and steps, in (0, 1].
        targets: Stages of dvc.yaml; none for all.

    Returns:
        share: As given.
        images: Of both splits together.
        arrays_mib: Size of the packed arrays, in MiB.
        stages: See `grouped`.
        training_seconds: The part of the stages' seconds that the training loops took.
        total_seconds: Of `dvc repro`.
        no_op_seconds: Of a second one with nothing to do, the median of three.

    Raises:
        UserError: A stage failed; it has printed why.
    """
    subprocess.run(["git", "clone", "--quiet", str(root), str(copy)], check=True)
    log = copy / "data" / "measured.jsonl"
    prepare(copy, log, settings, share)
    total, no_ops = _repro(copy, targets), [_repro(copy, targets) for _ in range(NO_OPS)]
    packed = paths.packed(settings.params.dataset, copy)
    opened = arrays.open_packed(packed)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    records = [json.loads(file.read_text()) for file in copy.glob("runs/*/seed-*/record.json")]
    return {
        "share": share,
        "images": len(opened.train) + len(opened.val),
        "arrays_mib": round(sum(file.stat().st_size for file in packed.glob("*/*.npy")) / MIB, 1),
        "stages": grouped(lines),
        "training_seconds": round(sum(record["seconds"] for record in records), 1),
        "total_seconds": round(total, 1),
        "no_op_seconds": round(statistics.median(no_ops), 2),
    }


def prepare(copy: Path, log: Path, settings: Settings, share: float) -> None:
    """Let every stage of the clone append its measure to `log`, and leave a share of the images and steps."""

    def wrap(pipeline: dict[str, Any]) -> None:
        for name, stage in pipeline["stages"].items():
            stage["cmd"] = f"python -m benchmarks.measured {log} {name} {stage['cmd']}"

    def shrink(datasets: dict[str, Any]) -> None:
        profile = datasets["profiles"][settings.params.dataset]
        if share < 1:
            profile["scenes"]["images"] = {k: round(n * share) for k, n in profile["scenes"]["images"].items()}
        profile["train"]["steps"] = max(1, round(profile["train"]["steps"] * share))

    for file, change in ((copy / "dvc.yaml", wrap), (paths.datasets(copy), shrink)):
        yaml = YAML(typ="safe")
        data = yaml.load(file)
        change(data)
        yaml.dump(data, file)


def _repro(copy: Path, targets: Sequence[str]) -> float:
    """Run `dvc repro` with this interpreter's programs and return its seconds."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command, started = [sys.executable, "-m", "dvc", "repro", *targets], time.monotonic()
    if subprocess.run(command, cwd=copy, env=os.environ | {"PATH": path}, stdout=subprocess.DEVNULL).returncode:
        raise UserError(f"dvc repro failed in {copy}")
    return time.monotonic() - started


def grouped(lines: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Group the lines of `benchmarks.measured` by stage, in the order in which the stages first ran.

    Returns:
        By stage, n of its runs, their seconds and cpu_seconds in all, and peak_mib of the largest. The stages
        train-<group> count as one, `train`, and so do the stages evaluate-<group>.
    """
    groups: dict[str, dict[str, Any]] = {}
    for line in lines:
        name = next((stage for stage in ("train", "evaluate") if line["name"].startswith(f"{stage}-")), line["name"])
        group = groups.setdefault(name, {"n": 0, "seconds": 0.0, "cpu_seconds": 0.0, "peak_mib": 0})
        group["n"] += 1
        group["peak_mib"] = max(group["peak_mib"], line["peak_mib"])
        for key in ("seconds", "cpu_seconds"):
            group[key] = round(group[key] + line[key], 2)
    return groups


def table(run: Mapping[str, Any]) -> str:
    """Return a line for each group of stages, and the time of the whole."""
    columns = ["n", "seconds", "CPU s", "images / CPU s", "peak MiB"]
    lines = {}
    for name, group in run["stages"].items():
        rate = f"{run['images'] / group['cpu_seconds']:.0f}" if name in ("download", "boxes") else ""
        lines[name] = (group["n"], f"{group['seconds']:.1f}", f"{group['cpu_seconds']:.1f}", rate, group["peak_mib"])
    body = pd.DataFrame.from_dict(lines, orient="index", columns=columns).to_string()
    stages = sum(group["seconds"] for group in run["stages"].values())
    total, loops = run["total_seconds"], run["training_seconds"]
    rest = 100 * (1 - loops / total)
    return "\n".join(
        [
            f"{run['images']} images, arrays {run['arrays_mib']:.0f} MiB",
            body,
            f"dvc repro: {total:.0f} s, of which training loops {loops:.0f} s, the rest {rest:.0f} %"
            f" (dvc itself {total - stages:.0f} s); a second one, with nothing to do: {run['no_op_seconds']:.1f} s",
        ]
    )


if __name__ == "__main__":
    run_program(main)
