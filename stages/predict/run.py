"""The prediction of many pictures: decoded and written by threads, predicted in batches in between."""

import json
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from stages.download.listing import is_text
from stages.errors import UserError, one_line
from stages.model.predictor import Predictor
from stages.pictures import LARGEST, open_rgb
from stages.predict import maps
from stages.predict.coco import annotations, categories
from stages.predict.drawings import draw
from stages.predict.files import check_outputs, whole_file
from stages.predict.scales import Size, fit_size, resize
from stages.predict.sources import Source
from stages.progress import bar

PREDICTIONS = "predictions.json"

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Options:
    """How pictures are predicted.

    Attributes:
        mode: `fit` scales a picture to the training's area, `tile` cuts it into tiles of the training size.
        scale: Training pixels per picture pixel, for `tile`.
        batch: Pictures or tiles that the network takes at a time.
        workers: Threads that decode and write.
        force: Whether files that exist are written over.
    """

    mode: Literal["fit", "tile"] = "fit"
    scale: float = 1.0
    batch: int = 8
    workers: int = 1
    force: bool = False


@dataclass(frozen=True)
class _Decoded:
    """A picture in memory, (H, W, 3) uint8, and as the network takes it, (h, w, 3) uint8."""

    source: Source
    picture: np.ndarray
    small: np.ndarray

    @property
    def sizes(self) -> tuple[Size, Size]:
        """Width and height of what the network takes, and of the picture."""
        small, full = self.small.shape, self.picture.shape
        return (small[1], small[0]), (full[1], full[0])


_Predicted = tuple[_Decoded, Callable[[], maps.Answer]]
"""A picture, and what gives the network's answer at its size."""


def predict_pictures(predictor: Predictor, sources: Sequence[Source], out: Path, options: Options) -> int:
    """Predict pictures and write, for each, its files, and predictions.json for all of them.

    A picture that cannot be opened, is too large at the scale asked for, or has a name that predictions.json cannot
    hold is left out, and listed on stderr at the end. Where none is left, no file is written.

    Args:
        predictor: Of a finished run.
        sources: The pictures, see `sources.find`.
        out: The folder of outputs.
        options: How.

    Returns:
        The number of pictures.

    Raises:
        UserError: A file exists, without `options.force`, is one of the pictures, or cannot be written; after all
            others were predicted, that some pictures were left out.
    """
    files = [out / PREDICTIONS, *(out / file for source in sources for file in source.outputs())]
    check_outputs(files, options.force, [source.file for source in sources])
    classes = predictor.run["classes"]
    network = _fitted if options.mode == "fit" else _tiled
    failures: list[UserError] = []
    records: dict[Source, tuple[Size, list[dict[str, Any]]]] = {}
    with ThreadPoolExecutor(options.workers) as pool, bar(len(sources), "predict") as progress:
        ahead = partial(_ahead, pool, options.workers)
        decoded = ahead(partial(_decode, training=predictor.chosen.size, options=options), sources)
        predicted = network(predictor, _opened(decoded, failures, progress), options, progress)
        for source, record in ahead(partial(_write, out=out, classes=classes), predicted):
            records[source] = record
            progress.update()
    if records:
        content = _coco(predictor, [(source, *records[source]) for source in sources if source in records])
        with whole_file(out / PREDICTIONS) as file:
            file.write_text(json.dumps(content) + "\n", encoding="utf-8")
    for failure in failures:
        print(one_line(failure), file=sys.stderr)
    if failures:
        rest = f"{out} has the rest" if records else "nothing was predicted, and nothing written"
        raise UserError(f"{len(failures)} of {len(sources)} pictures could not be predicted, those above; {rest}")
    return len(sources)


def _ahead(pool: Executor, depth: int, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Do work in a pool's threads, `depth` items ahead of those that are taken, in their order."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > depth:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _decode(source: Source, training: Size, options: Options) -> _Decoded | UserError:
    """Open a picture and bring it to the network's scale; return the error of one that is left out."""
    if not is_text(str(source.file_name)):
        return UserError(f"{source.file}: its name is not UTF-8, as {PREDICTIONS} needs; rename it")
    try:
        picture = open_rgb(source.file, smallest=1)
    except UserError as error:
        return error
    size = fit_size(picture.size, training)
    if options.mode == "tile":
        size = (max(1, round(picture.width * options.scale)), max(1, round(picture.height * options.scale)))
        if size[0] * size[1] > LARGEST:
            return UserError(
                f"{source.file}: --scale {options.scale:g} makes it {size[0]}x{size[1]} pixels; "
                f"allowed: up to {LARGEST // 10**6} million pixels; take a smaller --scale"
            )
    return _Decoded(source, np.array(picture), resize(picture, size))


def _opened(decoded: Iterable[_Decoded | UserError], failures: list[UserError], progress: tqdm) -> Iterator[_Decoded]:
    """Give the pictures that could be opened and add the errors of the others to `failures`."""
    for picture in decoded:
        if isinstance(picture, UserError):
            failures.append(picture)
            progress.update()
        else:
            yield picture


def _fitted(predictor: Predictor, decoded: Iterable[_Decoded], options: Options, _: tqdm) -> Iterator[_Predicted]:
    """Predict whole pictures, in batches of those that the network takes at one size."""
    waiting: dict[Size, list[_Decoded]] = {}
    for picture in decoded:
        waiting.setdefault(picture.sizes[0], []).append(picture)
        size = max(waiting, key=lambda size: len(waiting[size]))
        if len(waiting[size]) == options.batch or sum(map(len, waiting.values())) == 2 * options.batch:
            yield from _batch(predictor, waiting.pop(size))
    for alike in waiting.values():
        yield from _batch(predictor, alike)


def _batch(predictor: Predictor, pictures: list[_Decoded]) -> Iterator[_Predicted]:
    found = maps.stacked(predictor(torch.stack([torch.from_numpy(picture.small) for picture in pictures])))
    for picture, of_picture in zip(pictures, found, strict=True):
        yield picture, partial(maps.answer, [of_picture], *picture.sizes, predictor.chosen)


def _tiled(predictor: Predictor, decoded: Iterable[_Decoded], options: Options, progress: tqdm) -> Iterator[_Predicted]:
    """Predict pictures one by one, in batches of their tiles."""
    for picture in decoded:
        bands = _counted(maps.tiled(predictor, picture.small, options.batch), picture, progress)
        found = maps.answer(bands, *picture.sizes, predictor.chosen)
        yield picture, partial(_same, found)


def _counted(bands: Iterable[Tensor], picture: _Decoded, progress: tqdm) -> Iterator[Tensor]:
    """Show how far a picture's tiles are."""
    done = 0
    for band in bands:
        yield band
        done += band.shape[1]
        progress.set_postfix_str(f"{picture.source.file.name}: {done / len(picture.small):.0%}")


def _same(found: maps.Answer) -> maps.Answer:
    return found


def _write(
    predicted: _Predicted, out: Path, classes: Sequence[str]
) -> tuple[Source, tuple[Size, list[dict[str, Any]]]]:
    """Write a picture's files; return its size and annotations."""
    picture, answer = predicted
    found = answer()
    draw(picture.picture, found, out / picture.source.output, classes)
    return picture.source, (picture.sizes[1], annotations(found, len(classes)))


def _coco(predictor: Predictor, records: list[tuple[Source, Size, list[dict[str, Any]]]]) -> dict[str, Any]:
    """Return what predictions.json holds."""
    run = predictor.run
    found = [(number, part) for number, (_, _, parts) in enumerate(records, start=1) for part in parts]
    return {
        "info": {"description": f"predictions of {run['row']} seed {run['seed']}, trained on {run['dataset']}"},
        "images": [
            {"id": number, "file_name": source.file_name.as_posix(), "width": width, "height": height}
            for number, (source, (width, height), _) in enumerate(records, start=1)
        ],
        "categories": categories(run["classes"]),
        "annotations": [{"id": k, "image_id": number, **part} for k, (number, part) in enumerate(found, start=1)],
    }
