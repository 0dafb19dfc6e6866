"""Which readings of the paper let the literal loss live: counted by choice, and over datasets."""

import json
from pathlib import Path

import pytest

from stages.analysis import readings
from stages.analysis.readings import FACTORS
from stages.errors import UserError
from stages.figures.readings import draw
from stages.paths import ROOT
from stages.report.readings_table import readings_table, survivors_table
from stages.yaml_files import read_yaml

ENTRIES = read_yaml(ROOT / "studies" / "readings.yaml")["runs"]
NAMES = [name for name in ENTRIES if name.count("-") == 3 and name.startswith(("exp", "softplus"))]


def write(folder: Path, name: str, seed: int, iou: float, flipped: tuple[float, float] = (5.0, 40.0)) -> None:
    variance, start, reduction, threshold = name.split("-") if "-" in name else ("exp", "share", "pooled", "variance")
    reduction = {"pooled": "pooled", "two": "two_means"}[reduction]
    resolutions = {"variance": variance, "mean_start": start, "reduction": reduction}
    right, wrong = flipped
    flips = {"flipped_right": [0.0, right], "flipped_wrong": [0.0, wrong], "auroc": [0.5, 0.7], "steps": [1, 9]}
    content = {
        "variant": name,
        "seed": seed,
        "row": {"full": "bce-2780", "mixed": "bce-500-2280"}.get(name, "bootstrap-500-2280"),
        "recipe": "paper" if "-" in name else None,
        "classes": ["background", "nucleus"],
        "iou": {"background": 90.0, "nucleus": iou},
        "mean_iou": (90 + iou) / 2,
        "resolutions": resolutions,
        "settings": {"steps": 9, "tau": 6.25 if threshold == "deviation" else 2.5},
        "trace": flips if "-" in name else {},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}-{seed}.json").write_text(json.dumps(content))


@pytest.fixture
def trained(project: Path) -> Path:
    """Nuclei on which exp dies, and CamVid on which of softplus one dies, too."""
    for dataset in ("nuclei", "camvid"):
        folder = project / "reference" / "readings" / dataset
        write(folder, "full", 0, 80.0)
        write(folder, "mixed", 0, 70.0)
        for name in NAMES:
            dies = name.startswith("exp") or (dataset == "camvid" and name == "softplus-share-two-deviation")
            for seed in (0, 1):
                write(folder, name, seed, 3.0 if dies else 72.0 + seed)
    return project


def test_every_combination_of_the_choices_is_an_entry_once(trained):
    found = readings.load(trained)["nuclei"]
    crossed = [tuple(readings.values(one).values()) for one in found.values() if readings.is_crossed(one)]
    assert len(crossed) == len(set(crossed)) == 2 ** len(FACTORS) == len(NAMES)


def test_variants_keep_the_grids_order_and_the_means_of_their_seeds(trained):
    write(trained / "reference" / "readings" / "nuclei", NAMES[-1], 1, 75.0, (15.0, 44.0))
    found = readings.load(trained)["nuclei"]
    assert list(found) == ["full", "mixed", *NAMES]
    assert found["full"].false_flip_rate is None and found["full"].auroc is None
    last = found[NAMES[-1]]
    assert (last.iou.mean, last.false_flip_rate.mean, last.recall.mean, last.auroc.mean) == (73.5, 10.0, 42.0, 0.7)


def test_a_collapse_is_half_of_full_supervision_or_a_third_of_the_foreground(trained):
    folder = trained / "reference" / "readings" / "nuclei"
    write(folder, "full", 1, 84.0)  # so that half is 41
    for name, iou, right in zip(NAMES[-3:], (40.9, 41.1, 70.0), (5.0, 30.0, 30.1), strict=True):
        write(folder, name, 0, iou, (right, 40.0))
    found = readings.load(trained)["nuclei"]
    assert [found[name].collapsed for name in ("full", *NAMES[-3:])] == [0, 1, 0, 1]


def test_a_dataset_without_full_supervision_is_one_clear_line(trained):
    (trained / "reference" / "readings" / "nuclei" / "full-0.json").unlink()
    with pytest.raises(UserError, match=r"^reference/readings/nuclei has no training of full: `python -m stages"):
        readings.load(trained)


def test_survivors_are_counted_by_choice(trained):
    found = readings.load(trained)
    assert readings.survivors(found["nuclei"])["the variance is"] == {"exp(raw)": (0, 16), "softplus(raw)": (16, 16)}
    assert readings.survivors(found["nuclei"])["means start"] == {
        "at the labels’ shares": (8, 16),
        "near zero": (8, 16),
    }
    assert readings.survivors(found["camvid"])["τ = 2.5 is"] == {"of σ²": (8, 16), "of σ": (6, 16)}


def test_the_tables_say_what_each_reading_gives(trained):
    found = readings.load(trained)
    table = readings_table("nuclei", found["nuclei"])
    line = next(line for line in table.body if line[0].text == "softplus-torch-two-variance")
    assert [cell.text for cell in line[1:5]] == [
        "softplus(raw)", "near zero", "two means, one for each kind of image", "of σ²",
    ]  # fmt: skip
    assert [cell.text for cell in line[5:9]] == ["2", "72.50 ± 0.71", "+2.5", "40.00 ± 0.00"]
    assert line[-1].text == ""
    assert next(line for line in table.body if line[0].text.startswith("exp"))[-1].text == "2 of 2"
    assert [line[0].text for line in table.body[-2:]] == ["full", "mixed"]
    counts = survivors_table(found)
    assert [cell.text for cell in counts.body[0]] == ["the variance is", "exp(raw)", "0 of 16", "0 of 16"]


def test_what_was_watched_gives_the_best_of_a_training_and_a_curve_a_seed(trained):
    file = trained / "reference" / "readings" / "nuclei" / "exp-share-pooled-variance-{}.json"
    for seed, best in ((0, 71.0), (1, 73.0)):
        path = Path(str(file).format(seed))
        path.write_text(json.dumps(json.loads(path.read_text()) | {"watched": [[3, 5.0], [6, best], [9, None]]}))
    found = readings.load(trained)
    one = found["nuclei"]["exp-share-pooled-variance"]
    assert one.best.values == (71.0, 73.0)
    assert found["nuclei"]["softplus-share-pooled-variance"].best is None
    line = next(line for line in readings_table("nuclei", found["nuclei"]).body if line[0].text == one.name)
    assert line[-2].text == "72.00 ± 1.41"
    unwatched = {name: variant for name, variant in found["nuclei"].items() if not variant.watched}
    assert draw({"camvid": unwatched}) is None
    picture = draw({"camvid": unwatched, "nuclei": found["nuclei"]})
    (axes,) = picture.figure.axes
    assert [text.get_text() for text in picture.figure.legends[0].get_texts()] == ["exp-share-pooled-variance"]
    assert [list(line.get_ydata()) for line in axes.lines] == [[5.0, 71.0, 0.0], [5.0, 73.0, 0.0]]
    assert "at best 72.00 ± 1.41, in the end 3.00 ± 0.00" in picture.alt
