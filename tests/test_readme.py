"""README.md: every link, path and command in it is real, and its numbers are those of the committed reference run."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from stages import params
from stages.report import bars, claims, records, reference
from stages.report.paper import Check

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MADE = ("data/", "runs/", "results/", "reports/", "metrics.json", ".venv")


def commands() -> list[list[str]]:
    """Every line of the README's shell blocks in words, without leading VAR=value."""
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL)).splitlines()
    return [shlex.split(re.sub(r"^([A-Z_]+=\S+ )+", "", line)) for line in lines if line]


def inline() -> list[str]:
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", README, flags=re.DOTALL))


def test_every_link_leads_to_a_file():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_path_in_the_text_is_there_or_made_by_the_pipeline():
    named = [text for text in inline() if re.fullmatch(r"[\w./<>-]+/[\w./<>*-]*|[\w-]+\.(yaml|md|cff)", text)]
    assert len(named) > 5
    assert [path for path in named if not path.startswith(MADE) and not (ROOT / path).exists()] == []


def test_every_make_target_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = {line[1] for line in commands() if line[0] == "make"} | set(re.findall(r"`make ([a-z]+)`", README))
    assert {"reproduce", "test", "compare"} <= called <= targets


def test_every_parameter_that_is_set_is_known_and_its_value_allowed():
    known = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
    settings = re.findall(r"-S '?(\w+)=([^\s'`]+)", README)
    assert {key for key, _ in settings} == {"tau", "dataset", "seeds"}
    for key, value in settings:
        params.Params.model_validate(known | {key: YAML(typ="safe", pure=True).load(value)})


def test_every_module_that_is_run_takes_the_options_that_it_is_given():
    calls = [line for line in commands() if line[0] == "python"]
    calls += [shlex.split(text) for text in inline() if text.startswith("python -m")]
    assert len(calls) >= 3
    settings = params.load(ROOT)
    for call in calls:
        shown = subprocess.run(
            [sys.executable, *call[1:3], "--help"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert shown.returncode == 0 or call[2] == "stages.validate", call
        assert [word for word in call[3:] if word.startswith("--") and word not in shown.stdout] == []
        if "--row" in call:
            assert call[call.index("--row") + 1] in settings.rows


def test_the_picture_and_the_table_of_the_pipeline_name_every_stage():
    stages = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"]
    picture = re.search(r"```mermaid\n(.*?)```", README, re.DOTALL)[1]
    for name in stages:
        assert ("train" if name.startswith("train") else name) in picture, name


def test_the_numbers_that_are_written_by_hand_are_those_of_the_trainings():
    text = " ".join(README.split())
    finals = {dataset: records.finals(dataset) for dataset in ("camvid", "synthetic")}

    def ious(dataset: str, *names: str) -> list[float]:
        return [run["iou"]["car"] for name in names for run in finals[dataset][name].runs]

    def span(values: list[float]) -> str:
        return f"{min(values):.1f} % to {max(values):.1f} %"

    literal = [f"bootstrap-{pp}-{2780 - pp}" for pp in (100, 200, 300, 400, 500)]
    several = [run for one in finals.values() for run in one["ce-bootstrap-500-2280"].runs]
    lost = [run["trace"]["flipped_right"][-1] for run in several]
    quarter, ten = "bootstrap-500-2280-start-quarter", "bootstrap-500-2280-tau-10"
    stable, control = "bootstrap-500-2280-stable", "uncertainty-500-2280-masks-first"
    few = [run["trace"]["flipped_wrong"][-1] for name in (quarter, ten) for run in finals["synthetic"][name].runs]
    held_out = [
        [records.kept(ROOT / f"reference/ablation/camvid/{name}-{seed}.json")["iou"]["car"] for seed in (0, 1)]
        for name in ("cap-pp-start-at-tau", "uncertainty-masks-first")
    ]
    persons = [run["iou"]["person"] for name in ("ce-2780", "ce-500") for run in finals["camvid"][name].runs]
    said = [
        f"({span(ious('camvid', *literal))} car IoU, every box label flipped), on the drawn scenes, in 720 steps, "
        f"likewise ({span(ious('synthetic', *literal))})",
        f"Its multi-class form flips {min(lost):.0f} % to {max(lost):.0f} % of the foreground",
        f"({span(ious('synthetic', quarter))}, no worse than the stable recipe) and dies on CamVid "
        f"({span(ious('camvid', quarter))})",
        f"({', '.join(f'{iou:.1f} %' for iou in ious('camvid', ten))})",
        f"few of the wrong labels ({min(few):.0f} % to {max(few):.0f} %)",
        "({:.1f} % against {:.1f} %, two seeds)".format(*map(np.mean, held_out)),
        f"full supervision has {span(ious('camvid', 'bce-2780'))} car IoU",
        f"the masks alone {span(ious('camvid', 'bce-500'))}",
        f"the stable recipe {span(ious('camvid', stable))}",
        f"persons have {min(persons):.0f} to {max(persons):.0f} % IoU on CamVid",
    ]
    alike = finals["synthetic"]["bootstrap-500-2280-icnr"].runs
    living = max(alike, key=lambda run: run["iou"]["car"])
    dead = sorted(run["iou"]["car"] for run in alike if run is not living)
    (before,) = {run["trace"]["steps"][8] for run in alike}
    alive = [run["trace"]["output"]["iou"][8] for run in alike]
    taken, lost_too = (living["trace"][f"flipped_{kind}"][-1] for kind in ("wrong", "right"))
    said += [
        f"until step {before} of 720, with {min(alive):.0f} % to {max(alive):.0f} % IoU on box images, then two of "
        f"three seeds die ({', '.join(f'{iou:.1f} %' for iou in dead)} in the end) and one lives and flips "
        f"{taken:.0f} % of the wrong labels and {lost_too:.0f} % of the right ones ({living['iou']['car']:.1f} %); "
        "on CamVid all die early"
    ]
    assert max(run["iou"]["car"] for run in finals["camvid"]["bootstrap-500-2280-icnr"].runs) < 3
    for one in finals.values():
        full = np.mean([run["iou"]["car"] for run in one["bce-2780"].runs])
        assert min(run["iou"]["car"] for run in bars.stable(one) if "person" not in run["iou"]) > 0.85 * full
    check = Check(measure="iou_difference", rows=[stable, control], above=0)
    share = Check(measure="iou_share", rows=[stable, "bce-2780"], above=0)
    shares = [claims.effect(share, [one[stable], one["bce-2780"]]).mean for one in finals.values()]
    said.append("has {:.1f} % (CamVid) and {:.1f} % (drawn scenes) of full supervision".format(*shares))
    flipped = [
        np.mean([run["trace"][f"flipped_{kind}"][-1] for run in one[stable].runs])
        for one in finals.values()
        for kind in ("wrong", "right")
    ]
    said.append(
        "{:.0f} % of the wrong labels and {:.0f} % of the right ones on CamVid, {:.0f} % and {:.0f} % on the drawn "
        "scenes".format(*flipped)
    )
    for one in finals.values():
        flips = claims.effect(check, [one[stable], one[control]])
        said.append(f"{flips.mean:+.1f} points ({flips.low:.1f} to {flips.high:.1f}, {flips.n} seeds)")
    assert [words for words in said if words not in text] == []


def test_no_placeholder_is_left():
    assert "PLACEHOLDER" not in README


def test_the_reference_and_the_readme_follow_from_the_committed_trainings(tmp_path: Path):
    """As `python -m stages.report.reference` writes them; the pictures' bytes depend on matplotlib."""
    for name in ("params.yaml", "rows.yaml", "datasets.yaml", "paper.yaml", "finals.yaml", "README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "reference" / "finals", tmp_path / "reference" / "finals")
    folders = reference.write(tmp_path)
    assert folders
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == README
    for folder in folders:
        kept = ROOT / folder.relative_to(tmp_path)
        written = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
        assert {path.relative_to(kept) for path in kept.rglob("*") if path.is_file()} == written
        for path in written:
            assert path.suffix == ".png" or (kept / path).read_bytes() == (folder / path).read_bytes(), path


def test_the_reference_is_small_and_holds_no_photograph():
    files = [path for path in (ROOT / "reference").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".json", ".npz", ".png", ".md", ".csv"}
    assert {path.name for path in files if path.suffix == ".png"} <= {"overview.png", "masks.png"}
    assert all(path.stat().st_size < 300_000 for path in files)
    for path in files:
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                assert all(set(np.unique(arrays[name])) <= {0, 1, 2, 255} for name in arrays.files), path
