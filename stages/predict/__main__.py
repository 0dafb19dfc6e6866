"""Use a trained network: python -m stages.predict --run runs/bootstrap-500-2280-stable/seed-0 photographs --out out"""

import argparse
import os
from pathlib import Path

from stages.errors import UserError, one_line, run
from stages.predict.files import out_path

DESCRIPTION = """\
Predict masks of pictures, or correct the boxes that a run was trained on (--relabel).

For each picture: NAME.png (class ids with a palette), NAME_overlay.jpg (classes over the picture),
NAME_uncertainty.png (the variance, of runs that have one), and one predictions.json (COCO) for all.
"""
EPILOG = """\
--mode fit   for pictures like those of the training: the same scene, whole, at any resolution. Each is scaled,
             its aspect kept, until its area is the training size's; the result is brought back to its size.
--mode tile  for pictures that show more than those of the training, such as maps and slides: tiles of the
             training size, overlapping and blended. --scale brings things to the size that they had in the
             training: 0.25 if the training's pictures were shrunk to a quarter and these are of that camera.
"""


def main() -> None:
    """Read the command line, then predict or relabel, and say what was written."""
    parser = argparse.ArgumentParser(
        prog="python -m stages.predict",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pictures", nargs="*", metavar="PICTURES", help="files, folders (with all below), patterns")
    parser.add_argument("--run", type=Path, required=True, help="a finished run: runs/<row>/seed-<k>")
    parser.add_argument("--out", type=out_path, required=True, help="the folder to write to")
    parser.add_argument("--relabel", action="store_true", help="correct the run's own box images instead")
    parser.add_argument("--mode", choices=("fit", "tile"), default="fit", help="see below (default: fit)")
    parser.add_argument("--scale", type=float, help="training pixels per picture pixel, with --mode tile (default: 1)")
    parser.add_argument("--batch", type=int, default=8, help="pictures or tiles predicted at a time (default: 8)")
    parser.add_argument("--workers", type=int, default=min(8, os.cpu_count() or 1), help="threads that read and write")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (default: auto)")
    parser.add_argument("--force", action="store_true", help="write over files that exist")
    asked = parser.parse_args()
    _check(asked)

    from stages.predict.finished_run import device_of, open_run  # torch, which --help need not wait for

    if asked.relabel:
        from stages.predict.relabel import write_relabelled

        predictor = open_run(asked.run, device_of(asked.device))
        count = write_relabelled(predictor, asked.run, asked.out, batch=asked.batch, force=asked.force)
        files = f"{asked.out}/relabelled.json, {asked.out}/relabelled.csv"
        print(one_line(f"{count} boxes, most doubtful first: {files}"))
        return

    from stages.predict.run import Options, predict_pictures
    from stages.predict.sources import find

    sources = find(asked.pictures, asked.out)
    options = Options(asked.mode, asked.scale or 1.0, asked.batch, asked.workers, asked.force)
    count = predict_pictures(open_run(asked.run, device_of(asked.device)), sources, asked.out, options)
    print(one_line(f"{count} picture{'s' * (count > 1)}: {asked.out}, with predictions.json"))


def _check(asked: argparse.Namespace) -> None:
    """Check what argparse does not.

    Raises:
        UserError: A number out of range, or options that do not go together.
    """
    for name in ("batch", "workers"):
        if getattr(asked, name) < 1:
            raise UserError(f"--{name} is {getattr(asked, name)}; allowed: a whole number above 0")
    if asked.scale is not None and asked.mode != "tile":
        raise UserError("--scale is for --mode tile; --mode fit scales each picture to the training size")
    if asked.scale is not None and not 0 < asked.scale <= 100:
        raise UserError(f"--scale is {asked.scale}; allowed: a number above 0, at most 100")
    if asked.relabel and asked.pictures:
        raise UserError("--relabel is for the run's own box images; allowed with it: no pictures")
    if not asked.relabel and not asked.pictures:
        raise UserError("no pictures given; allowed: files, folders, patterns, or --relabel")


if __name__ == "__main__":
    run(main)
