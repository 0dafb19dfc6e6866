"""What decides whether a stage runs again: code counts, prose does not."""

import pytest

from stages.errors import UserError
from stages.fingerprint import closure, fingerprint

MAIN = '''"""Say what this does."""

from stages.tool import double

# A comment.
def main():
    """Print a number."""
    print(double(2))
'''


@pytest.fixture
def source(tmp_path):
    package = tmp_path / "stages"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "main.py").write_text(MAIN)
    (package / "tool.py").write_text("def double(x):\n    return 2 * x\n")
    (package / "unused.py").write_text("X = 1\n")
    return tmp_path


def _edit(source, module, old, new):
    file = source / "stages" / f"{module}.py"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_the_closure_is_what_is_imported_and_no_more(source):
    assert set(closure(["stages.main"], source)) == {"stages", "stages.main", "stages.tool"}


@pytest.mark.parametrize(
    "edit",
    [
        ("main", "Print a number.", "Print four."),
        ("main", "# A comment.\n", "# Another,\n# of two lines.\n"),
        ("main", '"""Say what this does."""', '"""Say it otherwise."""'),
        ("tool", "2 * x", "(2  *  x)"),
        ("unused", "X = 1", "X = 2"),
    ],
)
def test_prose_layout_and_unused_modules_do_not_count(source, edit):
    before = fingerprint(["stages.main"], source)
    _edit(source, *edit)
    assert fingerprint(["stages.main"], source) == before


@pytest.mark.parametrize("edit", [("main", "double(2)", "double(3)"), ("tool", "2 * x", "x + x")])
def test_code_counts_also_of_what_is_imported(source, edit):
    before = fingerprint(["stages.main"], source)
    _edit(source, *edit)
    assert fingerprint(["stages.main"], source) != before


def test_a_syntax_error_gives_one_line(source):
    _edit(source, "tool", "return", "return return")
    with pytest.raises(UserError, match="tool.py") as caught:
        fingerprint(["stages.main"], source)
    assert "\n" not in str(caught.value)
