"""`python -m benchmarks.reliability`: all drills, and benchmarks/RELIABILITY.md from what they found.

`python -m benchmarks.reliability fuzz load` runs these two alone. What each found stays in found.json beside this file,
from which the page is written; with `--page` nothing runs and only the page is. Kills are added to those of an earlier
call of the same commit, so that a drill that was cut goes on.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.reliability import advisories, faults, fuzz, kills, load, page
from benchmarks.reliability.clones import commit
from stages import arrays, paths
from stages.errors import UserError
from stages.errors import run as run_program

DRILLS: dict[str, ModuleType] = {"kills": kills, "faults": faults, "fuzz": fuzz, "load": load, "advisories": advisories}


def main() -> None:
    """Read the command line, run the drills, write the page. Exits with status 1 where a bar is missed.

    Raises:
        UserError: A drill could not run.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reliability", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("drills", nargs="*", metavar="DRILL", help=f"{', '.join(DRILLS)}; without one, all")
    parser.add_argument("--page", action="store_true", help="run nothing, write the page anew")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.drills if name not in DRILLS]:
        raise UserError(f"{unknown[0]}: no such drill; allowed: {', '.join(DRILLS)}")
    folder = paths.ROOT / "benchmarks"
    kept = folder / "reliability" / "found.json"
    found: dict[str, Any] = arrays.read_json(kept, "delete it, and run all drills") if kept.is_file() else {}
    for name in [] if arguments.page else arguments.drills or DRILLS:

        def keep(result: dict[str, Any], name: str = name) -> None:
            found[name] = result
            arrays.write_json(kept, found)

        with tempfile.TemporaryDirectory(prefix="reliability-") as temporary:
            result = DRILLS[name].drill(paths.ROOT, Path(temporary), found.get(name, {}), keep)
        keep({"commit": commit(paths.ROOT), **result})
    text, missed = page.page(found, {name: drill.table for name, drill in DRILLS.items()})
    (folder / "RELIABILITY.md").write_text(text, encoding="utf-8")
    print(text)
    if missed:
        sys.exit(f"missed: {'; '.join(missed)}")


if __name__ == "__main__":
    run_program(main)
