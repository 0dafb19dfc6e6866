"""Known faults of the locked packages: advisories.yaml, which is written by hand, beside requirements.lock."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stages.yaml_files import read_yaml


def drill(root: Path, folder: Path, found: dict[str, Any], keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Compare advisories.yaml with the lock.

    Args:
        root: The project.
        folder, found, keep: Not used; all drills have them.

    Returns:
        checked: The date. sources, searched, known: As advisories.yaml has them. packages: How many the lock has.
        outdated: Which entries are about another version than the lock's.
    """
    listed = read_yaml(Path(__file__).with_name("advisories.yaml"))
    versions = locked(root / "requirements.lock")
    outdated = [
        f"{entry['id']} of {entry['package']} {entry['version']}"
        for entry in listed["known"]
        if versions.get(entry["package"].lower()) != entry["version"]
    ]
    return listed | {"checked": str(listed["checked"]), "packages": len(versions), "outdated": outdated}


def locked(file: Path) -> dict[str, str]:
    """Return the version of each package of a lock, by its name in small letters."""
    return {
        name.lower(): version for name, version in re.findall(r"^([\w.-]+)==(\S+)$", file.read_text(), re.MULTILINE)
    }


def table(found: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the list as lines of Markdown, and the bars that were missed."""
    lines = [f"Looked at on {found['checked']}, by hand, of {found['packages']} packages in the lock:", ""]
    lines += [f"- {source}" for source in found["sources"]]
    lines += ["", "| package | fault | affected | what it is | what it means here |", "|---|---|---|---|---|"]
    for entry in found["known"]:
        link = f"[{entry['id']}]({entry['source']})"
        package = f"{entry['package']} {entry['version']}"
        lines.append(f"| {package} | {link} | {entry['affected']} | {entry['what']} | {entry['here']} |")
    return lines, [f"{entry} is not in the lock" for entry in found["outdated"]]
