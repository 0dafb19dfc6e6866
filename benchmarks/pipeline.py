"""`python -m benchmarks.pipeline`: what each stage of `dvc repro` takes, in a copy of the project at its last commit.

With `--shares 0.125 0.25 0.5 1` it runs once for each share of the images, trained for the same share of the steps, so
that the cost is seen as the work grows; `--write` keeps the numbers, for the report's appendix.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from ruamel.yaml import YAML

from stages import arrays, params, paths, queue
from stages.params import Settings, UserError
from stages.train.device import name as device_name
from stages.train.device import resolve

NO_OPS = 3
MIB = 1 << 20


def main() -> None:
    """Read the command line, run, print a table for each share."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__.splitlines()[0])
    parser.add_argument("--shares", nargs="+", type=float, default=[1.0], metavar="SHARE", help="of the images, to 1")
    parser.add_argument("--targets", nargs="+", default=[], metavar="STAGE", help="of dvc.yaml; without it, all")
    parser.add_argument("--write", type=Path, metavar="FILE", help="keep the numbers as JSON")
    arguments = parser.parse_args()
    settings = params.load()
    if wrong := [share for share in arguments.shares if not 0 < share <= 1]:
        raise UserError(f"--shares {wrong[0]}: allowed: above 0, at most 1")
    if settings.profile.scenes.source != "synthetic" and set(arguments.shares) != {1.0}:
        raise UserError(
            f"--shares: allowed with dataset {settings.params.dataset}: 1, as only drawn scenes can be fewer"
        )
    device = resolve(settings.params.device)
    found = {
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
    """Run the pipeline once in `copy`, a new clone of `root`, as far as `targets` need it, and take its measure.

    Returns:
        share; images of both splits together; arrays_mib; stages: for each group of stages (matrix items together) n,
        seconds and cpu_seconds in all, peak_mib of the largest; training_seconds, the part of them in the training
        loops; total_seconds of `dvc repro`; no_op_seconds of a second one, the median of three.

    Raises:
        UserError: a stage failed; it has said why.
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
    """Let every stage measure itself into `log`, and leave that share of the images and steps."""

    def wrap(pipeline: dict) -> None:
        for name, stage in pipeline["stages"].items():
            stage["cmd"] = f"python -m benchmarks.measured {log} {name} {stage['cmd']}"

    def shrink(datasets: dict) -> None:
        profile = datasets["profiles"][settings.params.dataset]
        if share < 1:
            profile["scenes"]["images"] = {k: round(n * share) for k, n in profile["scenes"]["images"].items()}
        profile["train"]["steps"] = max(1, round(profile["train"]["steps"] * share))

    for name, change in (("dvc.yaml", wrap), ("datasets.yaml", shrink)):
        yaml = YAML(typ="safe")
        data = yaml.load(copy / name)
        change(data)
        yaml.dump(data, copy / name)


def _repro(copy: Path, targets: Sequence[str]) -> float:
    started = time.monotonic()
    if queue.dvc(copy, "repro", *targets, stdout=subprocess.DEVNULL).wait():
        raise UserError(f"dvc repro failed in {copy}")
    return time.monotonic() - started


def grouped(lines: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The lines of `benchmarks.measured` by stage, in the order in which they first ran; all trainings are `train`."""
    groups: dict[str, dict[str, Any]] = {}
    for line in lines:
        name = "train" if line["name"].startswith("train-") else line["name"]
        group = groups.setdefault(name, {"n": 0, "seconds": 0.0, "cpu_seconds": 0.0, "peak_mib": 0})
        group["n"] += 1
        group["peak_mib"] = max(group["peak_mib"], line["peak_mib"])
        for key in ("seconds", "cpu_seconds"):
            group[key] = round(group[key] + line[key], 2)
    return groups


def table(run: Mapping[str, Any]) -> str:
    """A line for each group of stages, and what the whole took."""
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
    params.run(main)
