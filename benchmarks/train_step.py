"""`python -m benchmarks.train_step`: compare the speed of this project's training steps with the public recipe's.

Same network, batch, size and device; the sides run in turn, and a ratio is the median over rounds.
"""

import argparse
import importlib.util
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from benchmarks.fast_path import make_plain
from benchmarks.public_recipe import PublicRecipe
from benchmarks.sides import Timed, count_of, in_turn
from stages import config, paths
from stages.boxes.pack import pack
from stages.config import Settings
from stages.device import keep_freed_memory, name, precision, resolve
from stages.download.run import download
from stages.errors import UserError
from stages.errors import run as run_program
from stages.model.erfnet import ERFNet
from stages.synthetic.schema import SyntheticImages
from stages.train.cuda_graph import ENGINES
from stages.train.loop import Trainer, prepare

PLAIN = {"one": "bce-500-2280", "few": "ce-500-2280"}
ROWS = (
    *PLAIN.values(),
    "regression-500-2280",
    "uncertainty-500-2280",
    "bootstrap-500-2280",
    "bootstrap-500-2280-stable",
    "ce-bootstrap-500-2280",
    "ce-bootstrap-500-2280-stable",
)
HOW = "auto, as a training chooses; plain, fp32 in contiguous memory op by op; or one of stages/train/cuda_graph.py"
PUBLIC, THEIRS = "public recipe", "public recipe, public network"


def main() -> None:
    """Read the command line, time, print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train_step", description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="256x128", help="width x height; the files have twice that (default 256x128)")
    parser.add_argument("--batch", type=count_of, default=8, help="images per step (default 8)")
    parser.add_argument("--images", type=count_of, default=64, help="how many are drawn (default 64)")
    parser.add_argument("--width", type=float, default=1.0, help="of the network; 1 is the paper's (default)")
    parser.add_argument("--rows", nargs="+", default=ROWS, metavar="ROW", help="rows of configs/rows.yaml")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--threads", type=count_of, help="of torch on the CPU")
    parser.add_argument("--workers", type=int, default=4, help="of the public recipe's loader (default 4, its own)")
    parser.add_argument(
        "--engines", nargs="+", default=("auto",), choices=("auto", "plain", *ENGINES), help=f"how ours run: {HOW}"
    )
    parser.add_argument("--rounds", type=count_of, default=7)
    parser.add_argument("--steps", type=count_of, default=3, help="of each side in a round")
    parser.add_argument("--public", type=Path, metavar="PATH", help="a clone of erfnet_pytorch: times its network too")
    arguments = parser.parse_args()
    if "compiled" in arguments.engines:
        torch._dynamo.config.recompile_limit = 64  # every row compiles the same functions anew
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        timed = run(arguments, Path(folder))
    device = resolve(arguments.device)
    print(
        f"{name(device)}, {torch.get_num_threads()} threads, torch {torch.__version__}, ours in "
        f"{str(precision(device)).removeprefix('torch.')}; batch {arguments.batch}, {arguments.size}, width "
        f"{arguments.width:g}, {arguments.rounds} rounds of {arguments.steps} steps\n"
    )
    print(table(timed, arguments.batch))


def run(arguments: argparse.Namespace, folder: Path) -> dict[str, Timed]:
    """Draw and pack scenes in `folder`, then time every side.

    Raises:
        UserError: No such row, no size, or a clone without the network.
    """
    size = _size(arguments.size)
    settings = settings_for(size, arguments.batch, arguments.width, arguments.device, arguments.images)
    if unknown := [row for row in arguments.rows if row not in settings.rows]:
        raise UserError(f"--rows {unknown[0]}: no such row; configs/rows.yaml has {', '.join(settings.rows)}")
    device = resolve(arguments.device)
    try:
        networks: dict[str, nn.Module] = {PUBLIC: ERFNet(3, arguments.width)}
    except ValueError as problem:
        raise UserError(f"--width: {problem}") from None
    if arguments.public:
        networks[THEIRS] = _their_network(arguments.public)
    keep_freed_memory()
    draw(settings, folder)
    scenes = paths.scenes("synthetic", folder)
    sides: dict[str, Callable[[], None]] = {
        side: PublicRecipe(network, scenes, size, arguments.batch, arguments.workers, device).step
        for side, network in networks.items()
    }
    for engine in arguments.engines:
        sides |= {_side(row, engine): ours(settings, row, folder, device, engine) for row in arguments.rows}
    wait = partial(torch.cuda.synchronize, device) if device.type == "cuda" else lambda: None
    return in_turn(sides, arguments.rounds, arguments.steps, synchronise=wait)


def draw(settings: Settings, folder: Path) -> None:
    """Draw and pack the scenes of `settings` in `folder`."""
    download(settings.profile, "synthetic", paths.scenes("synthetic", folder), {})
    manifest, packed = paths.manifest("synthetic", folder), paths.packed("synthetic", folder)
    pack(settings.profile.boxes, 0, "synthetic", manifest, packed)


def ours(settings: Settings, row: str, folder: Path, device: torch.device, engine: str) -> Callable[[], None]:
    """Return a function that takes one step of a row's training, the making of its batch included.

    Args:
        settings: See `settings_for`.
        row: A row's name.
        folder: Where `draw` has packed the scenes.
        device: Where to train.
        engine: `auto`, `plain` or one of cuda_graph.ENGINES.
    """
    job = prepare(settings, row, 0, folder)
    trainer = Trainer(job, device, engine={"auto": None, "plain": "eager"}.get(engine, engine))
    if engine == "plain":
        make_plain(trainer)
    steps = count(round(job.chosen.recipe.warmup_share * trainer.steps))  # the clean-label warm-up draws no box

    def step() -> None:
        trainer.advance(*trainer.batches[next(steps)])

    return step


def _side(row: str, engine: str) -> str:
    return row if engine == "auto" else f"{row} ({engine})"


def table(timed: dict[str, Timed], batch: int) -> str:
    """Return a line for each side: images a second, times the public recipe's, and step time over the plain loss's."""
    settings = config.load()
    columns = ["images/s", "x public", "step / plain loss's"]
    lines = {}
    for side, found in timed.items():
        row = side.partition(" (")[0]
        plain = timed.get(PLAIN[settings.rows[row].classes] + side.removeprefix(row)) if row in settings.rows else None
        over = f"{plain.ratio(found):.2f}" if plain else ""
        lines[side] = (f"{batch / found.median:.1f}", f"{found.ratio(timed[PUBLIC]):.2f}", over)
    return pd.DataFrame.from_dict(lines, orient="index", columns=columns).to_string()


def settings_for(size: tuple[int, int], batch: int, width: float, device: str, images: int) -> Settings:
    """Return settings for synthetic scenes of twice `size`, packed at `size`, and more steps than are timed.

    Args:
        size: (width, height) of the packed images, in pixels.
        batch: Images in a step.
        width: Of the network; 1 is the paper's.
        device: As in params.yaml.
        images: How many are drawn.
    """
    settings, profile = config.load(), config.read_profiles()["synthetic"]
    scenes = profile.scenes.model_copy(
        update={
            "size": (2 * size[0], 2 * size[1]),
            "images": SyntheticImages(train=max(images, batch), val=1),
        }
    )
    changed = {
        "scenes": scenes,
        "boxes": profile.boxes.model_copy(update={"size": size}),
        "train": profile.train.model_copy(update={"width": width}),
    }
    turned = {"dataset": "synthetic", "batch_size": batch, "steps": 10_000, "device": device}
    return replace(
        settings,
        params=settings.params.model_copy(update=turned),
        profile=profile.model_copy(update=changed),
    )


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = map(int, text.split("x"))
    except ValueError:
        width = height = 0
    if width < 8 or height < 8 or width % 8 or height % 8:
        raise UserError(f"--size {text}: allowed: WIDTHxHEIGHT, multiples of 8, e.g. 256x128")
    return width, height


def _their_network(clone: Path) -> nn.Module:
    """Return the network of a clone's train/erfnet.py, with three classes.

    The clone's own loop was written for torch 0.3 and no longer runs; the network runs in `PublicRecipe`.
    """
    file = clone / "train" / "erfnet.py"
    if not file.is_file():
        raise UserError(f"--public {clone}: {file} is not there; allowed: a clone of erfnet_pytorch")
    spec = importlib.util.spec_from_file_location("public_erfnet", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Net(3)


if __name__ == "__main__":
    run_program(main)
