"""A whole project in miniature: settings, packed arrays, runs and results, as earlier stages would have left them."""

import base64
import io
import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from nbformat import v4
from PIL import Image

from stages import arrays, config, paths
from stages.analysis import paper, runtime
from stages.config import Row, Settings
from stages.model.hyperparameters import UNCERTAIN
from tests.two_classes import CLASSES, TASKS, content

REPOSITORY = Path(__file__).resolve().parents[1]
COPIED = ("configs", "notebooks", "paper", "studies")
SIZE = (48, 24)  # width, height
COUNTS = {"train": 12, "val": 8}
K = 6
STEPS = (35, 50, 100)
OFFSET = 15.0
"""The miniature's IoU lies this much below the paper's, so no number can be mistaken for a printed one."""
COLLAPSED_IOU = 4.25
LITERAL, STABLE = "bootstrap-500-2280", "bootstrap-500-2280-stable"
UNPRINTED_IOU = {"background": 90.0, "car": 50.0, "person": 30.0}


def make(root: Path, size: tuple[int, int] = SIZE, seeds: tuple[int, ...] = (0,)) -> Path:
    """Write the project into `root`, on the synthetic dataset, and return `root`."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(REPOSITORY / "params.yaml", root)
    for name in COPIED:
        shutil.copytree(REPOSITORY / name, root / name)
    (root / "docs").mkdir()
    (root / "dvc.yaml").write_text("stages: {}\n")
    text = (root / "params.yaml").read_text().replace("seeds: [0]", f"seeds: {list(seeds)}")
    (root / "params.yaml").write_text(text)
    settings = config.load(root)
    pack(paths.packed("synthetic", root), size)
    skipped = {name: "needs three or more classes" for name, row in settings.rows.items() if row.classes == "all"}
    others = {name for name, row in settings.rows.items() if row.group == "methods"} - set(settings.methods)
    skipped |= dict.fromkeys(others, "not one of the other methods that `methods` names for synthetic")
    write_json(paths.results(root) / "left_out.json", skipped)
    for name in trained(settings):
        write_result(root, settings, name, seeds)
    write_readings(root, settings)
    write_annotation(root, settings)
    write_json(root / "reference" / "cost.json", measured_cost())
    for name in (
        "bce-2780",
        "bce-500-2280",
        "uncertainty-500-2280",
        "regression-0-2780",
        "regression-all-500-2280",
        "bootstrap-500-2280",
        "bootstrap-500-2280-stable",
        "bootstrap-100-2680",
        "bootstrap-100-2680-stable",
        "ce-500-2280",
    ):
        write_validation_run(root, name)
    for name in ("bootstrap-500-2280", "ce-bootstrap-500-2280"):
        write_training_run(root, name, collapsed=True)
        write_training_run(root, f"{name}-stable", collapsed=False)
    return root


def trained(settings: Settings) -> list[str]:
    """The rows that two classes are enough for, of other methods the usual ones."""
    rows = {name: row for name, row in settings.rows.items() if row.classes in CLASSES.tasks}
    return [name for name, row in rows.items() if row.group != "methods" or name in settings.methods]


def write_readings(root: Path, settings: Settings) -> None:
    """Trainings of studies/readings.yaml: one that collapses, one that lives, and what they are compared with."""
    for variant, iou, row, like in (
        ("full", 70.0, "bce-2780", "bce-2780"),
        ("exp-share-pooled-variance", 4.0, LITERAL, LITERAL),
        ("softplus-torch-two-variance", 68.0, LITERAL, STABLE),
    ):
        run = {"variant": variant, "row": row, "recipe": settings.rows[row].recipe, "seed": 0}
        run |= {"classes": ["background", "nucleus"], "iou": {"nucleus": iou}}
        run |= label_metrics(settings.rows[like], settings) | {"settings": {"tau": 2.5, "steps": STEPS[-1]}}
        if row == LITERAL:
            run["watched"] = [[STEPS[0], 10.0], [STEPS[-1], iou]]
            variance, start, reduction, _ = variant.split("-")
            read = {"variance": variance, "mean_start": start, "reduction": reduction.replace("two", "two_means")}
            run["resolutions"] = {**read, "warmup_share": 0.0}
        write_json(root / "reference" / "readings" / "nuclei" / f"{variant}-0.json", run)


def write_annotation(root: Path, settings: Settings) -> None:
    """The curve of annotation: the masks alone learn the logarithm of their number, boxes lift the few.

    Rows of configs/rows.yaml are trainings of studies/reference.yaml, the others of studies/annotation.yaml.
    """
    for variant, row, ious in (
        ("bce-200", "bce-500", (60.0, 62.0)),
        ("bce-500", "bce-500", (76.0, 78.0)),
        ("bce-2780", "bce-2780", (79.0, 81.0)),
        ("bce-0-2780", "bce-0-2780", (66.0, 68.0)),
        ("bootstrap-100-2680-stable", "bootstrap-100-2680-stable", (74.0, 76.0)),
    ):
        for seed, iou in enumerate(ious):
            run = {"variant": variant, "row": row, "recipe": settings.rows[row].recipe, "seed": seed}
            run |= {"classes": ["background", "nucleus"], "iou": {"nucleus": iou}, "settings": {"steps": 10}}
            run |= {
                "changes": {},
                "counts": {"pp": settings.rows[row].pp, "box": settings.rows[row].box, "train": 2780},
            }
            folder = "runs" if variant == row else "annotation"
            write_json(root / "reference" / folder / "nuclei" / f"{variant}-{seed}.json", run)


def measured_cost() -> dict[str, Any]:
    """What `benchmarks.pipeline` would write of two sizes, the larger one first."""
    runs = [
        {
            "images": images,
            "arrays_mib": images / 10,
            "stages": {name: {"n": 2, "seconds": images / 5, "peak_mib": 100 + images} for name in runtime.STAGES},
        }
        for images in (80, 20)
    ]
    return {"dataset": "synthetic", "device": "a device", "threads": 2, "torch": "2", "runs": runs}


def pack(out: Path, size: tuple[int, int]) -> None:
    """Packed arrays of painted pictures: each has one car (an ellipse) and one person (a narrow ellipse) in its box."""
    arrays.create(out, COUNTS, size, CLASSES.tasks)
    for split, count in COUNTS.items():
        for index in range(count):
            arrays.write(out, split, index, scene(size, index))
    arrays.seal(out)
    ids = {split: [f"{split}-{i}" for i in range(count)] for split, count in COUNTS.items()}
    arrays.write_json(out / "split.json", content(ids, list(range(COUNTS["train"]))))
    of_class = {
        "instances": 12, "groups": 0, "boxes": 11, "dropped": 1, "mask_share": 6.5, "fill_rate": 0.785, "iou": 78.5,
    }  # fmt: skip
    split_summary = {name: {**of_class, "multi_class": {"fill_rate": 0.7, "iou": 70.0}} for name in ("car", "person")}
    arrays.write_json(
        out / "statistics.json",
        {"dataset": "synthetic", "images": COUNTS, "train": split_summary, "val": split_summary},
    )


def scene(size: tuple[int, int], index: int) -> dict[str, np.ndarray]:
    """One image's arrays. The car grows with the index."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(index).integers(0, 30, (height, width, 1))
    image = np.where((y > height * 0.55)[..., None], [95, 95, 100], [165, 185, 205]) + noise - 15
    shapes = [
        (1, 0.35 * width, 0.62 * height, (0.12 + 0.008 * index) * width, 0.2 * height, [150, 40, 50]),
        (2, 0.8 * width, 0.6 * height, 0.035 * width, 0.27 * height, [40, 90, 60]),
    ]
    mask = np.zeros((height, width), np.uint8)
    maps = {f"{kind}-{task}": np.zeros((height, width), int) for kind in ("targets", "indices") for task in TASKS}
    for label, cx, cy, rx, ry, colour in shapes:
        inside = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1
        image[inside] = colour
        mask[inside] = label
        rows, columns = np.nonzero(inside)
        box = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
        for task in list(TASKS)[label - 1 :]:
            maps[f"targets-{task}"][box] = label
            maps[f"indices-{task}"][box] = label
    mask[0] = arrays.VOID
    return {
        "images": image.clip(0, 255).astype(np.uint8),
        "masks": mask,
        **{name: value.astype(np.uint8 if name.startswith("targets") else np.uint16) for name, value in maps.items()},
    }


def iou(name: str, settings: Settings, printed: paper.Paper) -> dict[str, float]:
    """The miniature's IoU (percent) of a row: 15 below the paper's; literal bootstrapping has collapsed."""
    row = settings.rows[name]
    if row.recipe == "paper":
        return {label: COLLAPSED_IOU if label == "car" else 20.0 for label in CLASSES.names(row.classes)}
    numbers = printed.row(name, row.recipe)
    known = {label: value - OFFSET for label, value in (numbers.iou if numbers else {}).items()}
    return {label: known.get(label, UNPRINTED_IOU[label]) for label in CLASSES.names(row.classes)}


def write_result(root: Path, settings: Settings, name: str, seeds: tuple[int, ...]) -> None:
    """results/<row>.json; a later seed scores one point more."""
    row, printed = settings.rows[name], paper.load(root)
    rates = {"precision": 80.0, "recall": 60.0, "false_flip_rate": 7.0, "share_wrong": 21.5, "share_found": 17.0}
    runs: list[dict[str, Any]] = []
    for number, seed in enumerate(seeds):
        scores = {label: value + number for label, value in iou(name, settings, printed).items()}
        runs.append(
            {
                "seed": seed,
                "iou": scores,
                "mean_iou": sum(scores.values()) / len(scores),
                "confusion": (10 + 90 * np.eye(len(scores), dtype=int)).tolist(),
                "n_images": COUNTS["val"],
                "label_flips": rates if row.bootstraps else None,
                "contradictions": rates if row.box else None,
                **label_metrics(row, settings),
                "rectangularity": {
                    "iou_with_boxes": 80.0 if row.box else 50.0,
                    "iou_with_masks": 60.0,
                    "component_boxes": 75.0 if row.box else 55.0,
                    "component_masks": 65.0,
                    "extent": 0.9,
                    "extent_masks": 0.72,
                    "extent_boxes": 0.95,
                },
                "seconds": 61.5,
                "images_per_second": 52.0,
                "device": "x86_64",
                "threads": 2,
                "precision": "float32",
                "commit": "0123456789abcdef",
                "versions": {"python": "3.11.0", "torch": "2.13.0"},
            }
        )
    result = {"row": name, "dataset": "synthetic", "task": row.classes, "recipe": row.recipe}
    result["classes"] = list(CLASSES.names(row.classes))
    write_json(paths.result(name, root), {**result, "runs": runs})


def label_metrics(row: Row, settings: Settings) -> dict[str, Any]:
    """What evaluate says of variances, and of box labels over the training: good ones but for the literal recipe."""
    found: dict[str, Any] = {"auroc": None, "edge_ratio": None, "trace": None}
    if not row.box:
        return found
    bad, stable = row.recipe == "paper", row.recipe == "stable"
    found["settings"] = {"tau": 2.5} if row.bootstraps else {}
    found["resolutions"] = {
        "name": row.recipe or "paper",
        "warmup_share": row.overrides.warmup_share or (0.3 if stable else 0.0),
    }
    found["resolutions"] |= {"initial_variance": 1.0, "initial_variance_per_tau": 0.6 if stable else 0.0}
    found["trace"] = {"steps": list(STEPS), "box": {"precision": 70.0, "recall": 100.0, "iou": 70.0}}
    found["trace"]["output"] = {key: [10.0, 50.0, 4.0 if bad else 75.0] for key in ("precision", "recall", "iou")}
    found["auroc_mean"] = 0.7
    if row.loss in UNCERTAIN:
        found |= {"auroc": 0.45 if bad else 0.85, "edge_ratio": 1.5}
        found["trace"] |= {"auroc": [0.5, 0.6, found["auroc"]], "variance_right": [1.0, 1.0, 9.0 if bad else 0.5]}
        found["trace"]["variance_wrong"] = [1.0, 2.0, 8.0]
    if row.bootstraps:
        found["trace"] |= {"flipped_right": [0, 20, 95.0 if bad else 5.0], "flipped_wrong": [0, 40.0, 60.0]}
        found["trace"]["target"] = {key: [70.0, 74.0, 5.0 if bad else 80.0] for key in ("precision", "recall", "iou")}
    return found


def write_reference(root: Path) -> None:
    """reference/runs/synthetic: every row's training as that of two seeds, a point of IoU apart.

    Those of other methods lie in reference/methods/synthetic.
    """
    settings = config.load(root)
    for row in trained(settings):
        grid = "methods" if settings.rows[row].group == "methods" else "runs"
        folder = root / "reference" / grid / "synthetic"
        folder.mkdir(parents=True, exist_ok=True)
        result = json.loads(paths.result(row, root).read_text())
        for seed in (0, 1):
            of = {"row": row, "variant": row, "seed": seed, "recipe": settings.rows[row].recipe}
            run = {"settings": {}} | result["runs"][0] | of
            run |= {"counts": {"pp": settings.rows[row].pp, "box": settings.rows[row].box, "train": 12}, "changes": {}}
            if settings.rows[row].proposed:
                run["proposals"] = {"seconds": 0.02, "memory": 90, "parameters": {}}
            run["iou"] = {label: value + seed for label, value in run["iou"].items()}
            (folder / f"{row}-{seed}.json").write_text(json.dumps(run))


def write_validation_run(root: Path, name: str) -> None:
    """evaluate/ of a run whose output is its boxes, with a variance that is high inside of them."""
    task = config.load(root).rows[name].classes
    targets = arrays.open_packed(paths.packed("synthetic", root)).val.targets(task)[:K]
    variance = (0.2 + 1.5 * targets[:, None]).astype(np.float16)
    folder = write_metrics(root, name)
    np.savez(folder / "pictures.npz", indices=np.arange(K), mean=variance, variance=variance, output=targets)


def write_training_run(root: Path, name: str, collapsed: bool) -> None:
    """train/ and evaluate/ of a bootstrapping run: collapsed (all box pixels flip), or with the masks as its output."""
    settings = config.load(root)
    row = settings.rows[name]
    split = arrays.open_packed(paths.packed("synthetic", root)).train
    target, mask = np.array(split.targets(row.classes)[:K]), np.array(split.masks("few")[:K])
    mask[mask > len(CLASSES.names(row.classes))] = 0
    truth = np.where(mask == target, target, 0)
    last = np.zeros_like(target) if collapsed else truth
    output = np.stack([target, np.where(np.arange(K)[:, None, None] % 2, last, target), last])
    flip = ((output != target) & (target > 0)).astype(np.float16)
    folder = paths.train(name, 0, root)
    folder.mkdir(parents=True)
    np.savez(folder / "snapshots.npz", steps=STEPS, indices=np.arange(K), label_flip=flip, output=output)
    run = {"row": name, "seed": 0, "dataset": "synthetic", "task": row.classes, "recipe": row.recipe}
    write_json(folder / "run.json", run)
    write_metrics(root, name)


def write_metrics(root: Path, name: str) -> Path:
    """evaluate/metrics.json, as its results file has it; returns the folder."""
    result = json.loads(paths.result(name, root).read_text())
    run = result.pop("runs")[0]
    folder = paths.evaluate(name, 0, root)
    write_json(folder / "metrics.json", {**result, **run})
    return folder


def write_json(path: Path, content: Any) -> None:
    """Write JSON, making the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_figure_notebook(root: Path, name: str) -> None:
    """reports/<name>.ipynb with one small picture, as an executed figure notebook has it."""
    png = io.BytesIO()
    Image.new("RGB", (40, 20), "teal").save(png, "png")
    data = {"image/png": base64.b64encode(png.getvalue()).decode()}
    output = v4.new_output(
        "execute_result", data, metadata={"image/png": {"alt": f"what {name} shows"}}, execution_count=1
    )
    notebook = v4.new_notebook(cells=[v4.new_code_cell("", outputs=[output])])
    path = paths.reports(root) / f"{name}.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, path)
