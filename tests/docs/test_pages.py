"""README and docs/: short, with links, paths and commands that lead somewhere, every key and row."""

import re
import subprocess
from pathlib import Path

import pytest

from stages import config
from stages.download.registry import SOURCES
from stages.fingerprint import closure

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ("results.md",)
WRITTEN = [page for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in GENERATED]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += [ROOT / "benchmarks" / "GPU.md", ROOT / "benchmarks" / "RELIABILITY.md"]
PAGES += [ROOT / "reference" / "runs" / "README.md"]
MADE = ("reports/", "runs/", "results/", "data/", "dvc.lock")
"""What the pipeline makes, so is not in a clone."""


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_readme_is_short() -> None:
    text = (ROOT / "README.md").read_bytes()
    assert len(text) <= 8 * 1024
    assert text.count(b"\n") <= 150


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_a_page_that_is_written_by_hand_is_short(page: Path) -> None:
    assert page.stat().st_size <= 12 * 1024


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        file, _, heading = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert heading in [re.sub(r"[^a-z0-9 -]", "", text.lower()).replace(" ", "-") for text in headings], link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_in_backticks_exists(page: Path) -> None:
    shown = re.findall(
        r"`([\w./-]+\.(?:py|yaml|md|ipynb|sbatch|toml|lock)|[\w-]+/[\w./-]*)`", page.read_text(encoding="utf-8")
    )
    paths = [path for path in shown if not path.startswith(MADE) and "<" not in path]
    folders = (ROOT, page.parent, ROOT / "stages" / "download")
    assert [path for path in paths if not any((folder / path).exists() for folder in folders)] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_module_that_a_command_runs_exists(page: Path) -> None:
    modules = re.findall(r"python -m ((?:stages|benchmarks)[\w.]*)", page.read_text(encoding="utf-8"))
    for module in modules:
        path = ROOT.joinpath(*module.rstrip(".").split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_exists(page: Path) -> None:
    targets = re.findall(r"^([\w-]+|\.venv/installed):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    asked = re.findall(
        r"\bmake ([a-z-]+|\.venv/installed)(?= |`|$)", " ".join(re.findall(r"`+[^`]+`+", page.read_text()))
    )
    assert set(asked) <= set(targets)


def test_every_key_of_params_yaml_says_what_it_is() -> None:
    lines = (ROOT / "params.yaml").read_text().splitlines()
    keys = {line.split(":")[0]: line for line in lines if re.match(r"\w+:", line)}
    assert set(keys) == set(config.Params.model_fields)
    assert all("#" in line for line in keys.values())


def test_what_a_group_of_rows_reads_is_what_the_docs_say() -> None:
    text = (ROOT / "docs" / "README.md").read_text()
    lines = (ROOT / "configs" / "rows.yaml").read_text().splitlines()
    for group in config.RowGroups.model_fields:
        (row,) = (line for line in text.splitlines() if line.startswith(f"| `{group}` |"))
        (said,) = (line.split("#")[1] for line in lines if line.strip().startswith(f"{group}:"))
        keys = re.findall(r"[a-z_]+", said.removeprefix(" also").removeprefix(" reads"))
        assert group == "one_pool" or all(f"`{key}`" in row for key in keys), group


def test_a_stranger_finds_what_the_index_names() -> None:
    text = (ROOT / "docs" / "README.md").read_text()
    assert "keep_weight" in text and "def keep_weight" in (ROOT / "stages" / "model" / "losses.py").read_text()
    assert "may_flip" in text and "def may_flip" in (ROOT / "stages" / "model" / "flipping.py").read_text()
    assert "`near-full`" in text and "id: near-full\n" in (ROOT / "paper" / "claims.yaml").read_text()


def test_no_page_and_no_module_names_what_is_gone() -> None:
    """Words of the glossary that were replaced, where a reader would meet them."""
    gone = r"\b(ledger|finals|drawn street scenes|masks first|objects lost|pp_only|start_per_tau)\b"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    files = [file for file in listed if file.endswith((".py", ".md", ".yaml", ".html", ".ipynb", "Makefile"))]
    kept = [file for file in files if not file.startswith(("tests/docs", "reference/", "CHANGELOG"))]
    found = [file for file in kept if (ROOT / file).is_file() and re.search(gone, (ROOT / file).read_text())]
    assert found == []


def test_every_module_of_stages_is_used_by_a_program() -> None:
    programs = ["download", "boxes", "proposals", "train", "evaluate", "report", "studies", "predict", "export"]
    modules = [f"stages.{name}.__main__" for name in programs]
    modules += [f"stages.download.{name}" for name in SOURCES]  # imported by name
    modules += [
        "stages.validate",
        "stages.verify",
        "stages.fingerprint",
        "stages.reproduce",
        "stages.train.ahead",
        "stages.evaluate.gather",
    ]
    modules += ["stages.report.notebooks", "stages.report.reference", "stages.report.readme_picture"]
    notebooks = (ROOT / "notebooks").glob("*.ipynb")
    imported = [m for n in notebooks for m in re.findall(r"from (stages[\w.]*) import (\w+)", n.read_text())]
    modules += [name for package, item in imported for name in (package, f"{package}.{item}")]
    reached = {file.resolve() for file in closure(modules, ROOT).values()}
    every = {file.resolve() for file in (ROOT / "stages").rglob("*.py") if file.read_text().count("\n") > 3}
    assert {file.name for file in every - reached} <= {"__init__.py"}


def test_every_source_of_data_stands_on_the_page_of_datasets() -> None:
    page = (ROOT / "docs" / "datasets.md").read_text()
    assert all(f"- `{name}`" in page for name in SOURCES)
    assert all(f"| `{name}` |" in page for name in config.read_profiles(ROOT))
