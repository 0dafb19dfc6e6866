"""Write reports/index.html and a page for each claim: python -m stages.report"""

from stages import paths
from stages.errors import run
from stages.report.index import build


def main() -> None:
    """Build every page before any is written."""
    built = build(paths.ROOT)
    (paths.reports() / "claims").mkdir(parents=True, exist_ok=True)
    for file, page in built.items():
        paths.reset(paths.reports() / file).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    run(main)
