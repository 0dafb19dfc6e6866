"""`python -m benchmarks.reliability.attempts KIND CASES SEED`: the cases of one kind of wrong input, for `fuzz`.

Runs in the folder of a project without code; prints a JSON object for each case: kind, outcome, said, case.
"""

import contextlib
import copy
import io
import json
import math
import os
import random
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from stages import errors, validate
from stages.analysis import paper
from stages.studies import grids

Attempt = Callable[[], None]
ODD = st.one_of(
    st.sampled_from([None, True, False, -1, 0, 1, 10**30, -(10**30), 1e308, math.inf, -math.inf, math.nan, 0.5, -0.5]),
    st.sampled_from(
        ["", " ", "auto", "no", "1e3", "0x10", "2001-01-01", "../..", "/", "~", "$HOME", "{{7}}", "${tau}"]
    ),
    st.sampled_from([[], {}, [[]], [None], {"": None}, [[[[[]]]]], {"a": {"a": {}}}, [1, "a", None], "a" * 10_000]),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.lists(st.one_of(st.integers(), st.text(max_size=5)), max_size=4),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)
"""Values that a key may have by mistake."""


def main() -> None:
    """Try the cases that the command line asks for."""
    kind, cases, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    files = {
        "params": ["params.yaml"],
        "rows": ["configs/rows.yaml"],
        "datasets": ["configs/datasets.yaml"],
        "paper": ["paper/claims.yaml", "paper/numbers.yaml", "paper/readings.yaml"],
        "studies": [f"studies/{path.name}" for path in sorted(Path("studies").glob("*.yaml"))],
        "coco": ["own/train.json"],
        "pictures": [f"own/{path.name}" for path in sorted(Path("own").glob("*.[pj]*g"))],
        "new pictures": ["own/1.png", "own/2.jpg"],
    }
    if kind == "flags":
        explore(command_lines(), lambda case: report(kind, attempt(*case), case[1]), cases, seed)
        return
    originals = {name: Path(name).read_bytes() for name in files[kind]}
    binary = kind in ("pictures", "new pictures")

    def one(case: tuple[str, bytes]) -> None:
        name, content = case
        Path(name).write_bytes(content)
        try:
            report(kind, first_refused(readers(kind, name)), [name, content.decode("utf-8", "backslashreplace")[:2000]])
        finally:
            Path(name).write_bytes(originals[name])

    changed = bytes_changed if binary else file_changed
    cases_of = st.sampled_from(sorted(originals)).flatmap(
        lambda name: st.tuples(st.just(name), changed(name, originals[name]))
    )
    explore(cases_of, one, cases, seed)


def explore(cases_of: st.SearchStrategy[Any], one: Callable[[Any], None], cases: int, seed: int) -> None:
    """Call `one` with `cases` cases, none of which ends the search."""

    @seeded(seed)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases_of)
    def search(case: Any) -> None:
        one(case)

    search()


def report(kind: str, found: tuple[str, str], case: Any) -> None:
    """Print what came out of one case."""
    print(json.dumps({"kind": kind, "outcome": found[0], "said": found[1][-2000:], "case": case}, default=repr))


# ---- mutations -------------------------------------------------------------------------------------------------------


def file_changed(name: str, content: bytes) -> st.SearchStrategy[bytes]:
    """Return a strategy for a YAML or JSON file with one to three changes: of its values, or of its bytes."""
    data = json.loads(content) if name.endswith(".json") else plain(Path(name))
    places = list(walk(data))

    @st.composite
    def values(draw: st.DrawFn) -> bytes:
        changed = copy.deepcopy(data)
        for _ in range(draw(st.integers(1, 3))):
            path = draw(st.sampled_from(places))
            with contextlib.suppress(KeyError, IndexError, TypeError):  # an earlier change took the place away
                change(changed, path, draw(HOW), copy.deepcopy(draw(ODD)), draw(KEY))
        return json.dumps(changed, ensure_ascii=draw(st.booleans()), default=repr).encode("utf-8", "surrogatepass")

    return st.one_of(values(), values(), values(), bytes_changed(name, content))


HOW = st.sampled_from(["value", "drop", "rename", "add"])
KEY = st.one_of(st.text(max_size=12), st.sampled_from(["", "tau", "classes", "id", "rows", "__class__", "a.b", "<<"]))


def change(data: Any, path: Sequence[Any], how: str, value: Any, key: str) -> None:
    """Change one place of a document: another value, no value, another key, one more key or item."""
    *parents, last = path
    place = data
    for part in parents:
        place = place[part]
    if how == "drop":
        del place[last]
    elif how == "rename" and isinstance(place, dict):
        place[key] = place.pop(last)
    elif how == "add" and isinstance(place[last], dict):
        place[last][key] = value
    elif how == "add" and isinstance(place[last], list):
        place[last].append(value)
    else:
        place[last] = value


def walk(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every value of a document but the whole."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from walk(value, (*path, key))


def plain(file: Path) -> Any:
    """Return the content of a YAML file as plain maps and lists."""
    from stages.yaml_files import read_yaml

    return json.loads(json.dumps(read_yaml(file)))


def bytes_changed(name: str, content: bytes) -> st.SearchStrategy[bytes]:
    """Return a strategy for a file with bytes cut, flipped, put in, or all replaced."""

    @st.composite
    def changed(draw: st.DrawFn) -> bytes:
        how = draw(st.sampled_from(["cut", "head", "flip", "put", "swap", "none", "other", "size"]))
        start = draw(st.integers(0, len(content) - 1))
        end = draw(st.integers(start, min(len(content), start + 200)))
        if how == "head":
            return content[:start]
        if how == "flip":
            moments = random.Random(start)
            flipped = bytearray(content)
            for _ in range(draw(st.integers(1, 20))):
                flipped[moments.randrange(len(content))] ^= 1 << moments.randrange(8)
            return bytes(flipped)
        if how == "put":
            return content[:start] + draw(st.binary(min_size=1, max_size=20)) + content[start:]
        if how == "swap":
            return content[end:] + content[:end]
        if how == "none":
            return b""
        if how == "other":
            return draw(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
        if how == "size" and content[12:16] == b"IHDR":  # a PNG that says it is huge
            return content[:16] + draw(st.binary(min_size=8, max_size=8)) + content[24:]
        return content[:start] + content[end:]

    return changed()


# ---- programs --------------------------------------------------------------------------------------------------------


def readers(kind: str, name: str) -> Iterator[tuple[Callable[[], Any], list[str]]]:
    """Yield what reads a kind of file: functions that end as a program does, and their command lines."""
    if kind in ("params", "rows", "datasets"):
        yield validate.main, []
    elif kind == "paper":
        yield paper.load, []
        yield paper.load_claims, []
        yield paper.load_readings, []
    elif kind == "studies":
        yield (lambda: grids.load(Path(name).stem)), []
    elif kind in ("coco", "pictures"):
        from stages.boxes.__main__ import main as boxes
        from stages.download.__main__ import main as download
        from stages.download.place import main as place

        yield from ((program, []) for program in (place, download, boxes))
    elif kind == "new pictures":
        from stages.predict.__main__ import main as predict

        yield predict, ["--run", "runs/bce-500/seed-0", "--out", "out", "--force", name]


def first_refused(programs: Iterator[tuple[Callable[[], Any], list[str]]]) -> tuple[str, str]:
    """Return the first outcome of a list of programs that is no acceptance, and what was said; else accepted."""
    for program, words in programs:
        found = attempt(program, words)
        if found[0] != "accepted":
            return found
    return "accepted", ""


def attempt(program: Callable[[], Any], words: Sequence[str]) -> tuple[str, str]:
    """Call a program as `python -m` does, and return the outcome, see `fuzz`, and what it said."""
    before, out, err = snapshot(), io.StringIO(), io.StringIO()
    arguments, sys.argv = sys.argv, ["program", *words]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            errors.run(program)
    except SystemExit as stop:
        said = str(stop.code) if isinstance(stop.code, str) else last_line(err.getvalue())
        if stop.code in (0, None):
            return "status 0", said
        if not said.startswith("error: ") and ": error: " not in said:
            return "no message", err.getvalue()
        if "\n" in said.strip() or "Traceback" in err.getvalue():
            return "several lines", said
        after = snapshot()
        changes = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        return ("changed files", f"{changes[:3]}: {said}") if changes else ("refused", said)
    except BaseException:  # noqa: BLE001 - whatever gets here is what a user would see as a traceback
        return "traceback", traceback.format_exc()
    finally:
        sys.argv = arguments
    return "accepted", ""


def last_line(text: str) -> str:
    """Return the last line that a program printed."""
    return next(iter(text.replace("\r", "\n").strip().splitlines()[-1:]), "")


def snapshot() -> dict[str, tuple[int, int]]:
    """Return size and time of every file but those below data/, which dvc deletes before a stage writes them."""
    found = {}
    for folder, folders, names in os.walk("."):
        folders[:] = [name for name in folders if name != "data"]
        for name in names:
            status = os.stat(os.path.join(folder, name))
            found[os.path.join(folder, name)] = (status.st_size, status.st_mtime_ns)
    return found


# ---- command lines ---------------------------------------------------------------------------------------------------

ARGUMENT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=20)
NO_NUMBER = st.one_of(ARGUMENT.filter(lambda text: not number(text)), st.sampled_from(["nan", "inf", "-inf", "1e99"]))
NO_COUNT = st.one_of(NO_NUMBER, st.integers(max_value=0).map(str))
NO_FOLDER = st.one_of(
    ARGUMENT.map(lambda text: f"nowhere/{text}"), st.sampled_from(["", ".", "params.yaml", "own", "/dev/null", "a\nb"])
)


def number(text: str) -> bool:
    """Return whether a text is a number for argparse."""
    with contextlib.suppress(ValueError):
        return math.isfinite(float(text))
    return False


def command_lines() -> st.SearchStrategy[tuple[Callable[[], Any], list[str]]]:
    """Return a strategy for programs with a command line of which one part is wrong."""
    from stages import reproduce
    from stages.evaluate.__main__ import main as evaluate
    from stages.export.__main__ import main as export
    from stages.predict.__main__ import main as predict
    from stages.studies.__main__ import main as studies
    from stages.train.__main__ import main as train

    run = "runs/bce-500/seed-0"
    seed = st.one_of(NO_NUMBER, st.integers(max_value=-1).map(str), st.integers(min_value=2**31).map(str))
    row = {"--row": ARGUMENT, "--seed": seed}
    options: list[tuple[Callable[[], Any], dict[str, str], dict[str, st.SearchStrategy[str]]]] = [
        (train, {"--row": "bce-500", "--seed": "0"}, row),
        (evaluate, {"--row": "bce-500", "--seed": "0"}, row),
        (
            predict,
            {"--run": run, "--out": "out", "": "own/1.png"},
            {
                "--run": NO_FOLDER,
                "--out": st.sampled_from(["params.yaml", "params.yaml/out", ""]),
                "": NO_FOLDER,
                "--mode": ARGUMENT,
                "--scale": NO_COUNT,
                "--batch": NO_COUNT,
                "--workers": NO_COUNT,
                "--device": ARGUMENT.filter(lambda text: text not in ("auto", "cpu")),
            },
        ),
        (
            export,
            {"--run": run, "--format": "onnx", "--out": "network.onnx"},
            {"--run": NO_FOLDER, "--format": ARGUMENT, "--out": st.sampled_from(["params.yaml", "own", ""])},
        ),
        (
            studies,
            {"": "remedies synthetic"},
            {"": ARGUMENT, "--jobs": NO_COUNT, "--only": ARGUMENT, "--seeds": seed},
        ),
        (reproduce.main, {"--jobs": "1"}, {"--jobs": NO_COUNT}),
    ]

    @st.composite
    def line(draw: st.DrawFn) -> tuple[Callable[[], Any], list[str]]:
        program, usual, wrong = draw(st.sampled_from(options))
        flag = draw(st.sampled_from(sorted(wrong)))
        chosen = usual | {flag: draw(wrong[flag])}
        how = draw(st.sampled_from(["value", "value", "value", "without", "unknown"]))
        words = [word for name, value in chosen.items() if name for word in (name, value)]
        words += chosen[""].split(" ") if "" in chosen else []
        if how == "without" and f"--{flag}" in usual:
            words = [word for name, value in usual.items() if name not in ("", flag) for word in (name, value)]
        if how == "unknown":
            words.append(f"--{draw(st.text('abcdefghij', min_size=8, max_size=12))}")
        return program, words

    return line()


if __name__ == "__main__":
    main()
