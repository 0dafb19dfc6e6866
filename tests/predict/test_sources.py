"""Which pictures are found, and what they are called."""

from pathlib import Path

import pytest

from stages.errors import UserError
from stages.predict.sources import find


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A function that makes empty files below the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()

    return write


def outputs(*named, out="out"):
    return [source.output.as_posix() for source in find(named, Path(out))]


def test_a_folder_gives_all_pictures_below_it_in_order(make):
    make(
        "in/b.JPG", "in/a b/ü.png", "in/notes.txt", "in/._b.jpg", "in/.thumbs/b.jpg", "in/a.b.tiff", "in/sub.png/x.bmp"
    )
    sources = find(["in"], Path("out"))
    assert [s.output.as_posix() for s in sources] == ["a b/ü", "a.b", "b", "sub.png/x"]
    assert [s.file_name.as_posix() for s in sources] == ["a b/ü.png", "a.b.tiff", "b.JPG", "sub.png/x.bmp"]
    assert all(source.file.is_file() and source.file.is_absolute() for source in sources)


def test_outputs_are_no_inputs(make):
    make("in/a.png", "in/out/a.png", "in/out/a_overlay.jpg")
    assert outputs("in", out="in/out") == ["a"]


@pytest.mark.parametrize(
    ("named", "out"), [("in", "in"), ("in/sub", "in"), ("in/sub", "."), ("link", "in"), ("in", "link")]
)
def test_a_folder_inside_of_the_outputs_is_one_line(make, named, out):
    make("in/a.png", "in/sub/b.png")
    Path("link").symlink_to("in")
    with pytest.raises(UserError, match=rf"^{named}: lies in --out {out}; give another --out$"):
        find([named], Path(out))


def test_outputs_are_no_inputs_through_a_linked_folder_either(make):
    make("in/a.png", "in/out/a.png")
    Path("link").symlink_to("in")
    assert outputs("in", out="link/out") == outputs("link", out="in/out") == ["a"]


def test_a_picture_that_is_named_itself_may_lie_in_the_outputs(make):
    make("in/a.jpg")
    assert outputs("in/a.jpg", out="in") == outputs("in/*.jpg", out="in") == ["a"]


def test_a_picture_that_linked_folders_lead_to_is_found_once(make):
    make("loop/a.png")
    Path("loop/self").symlink_to("../loop")
    assert outputs("loop/**") == outputs("loop/**/*.png") == outputs("loop", "loop/self") == ["a"]


def test_files_are_called_by_their_name_and_one_that_is_named_may_be_of_any_kind(make):
    make("x/a.png", "y/b.dat")
    assert outputs("x/a.png", "./y/b.dat", "x/../x/a.png") == ["a", "b"]


@pytest.mark.parametrize("named", [("x/a.png", "y/a.png"), ("x", "y"), ("*/a.png",)])
def test_alike_names_keep_their_sub_folders(make, named):
    make("x/a.png", "y/a.png")
    assert outputs(*named) == ["x/a", "y/a"]


def test_names_that_differ_in_the_suffix_alone_keep_it(make):
    make("in/a.png", "in/a.jpg", "in/b.jpg")
    assert outputs("in") == ["a.jpg", "a.png", "b"]


def test_patterns(make):
    make("in/a.png", "in/deep/er/b.png", "in/[1].png", "in/1.png")
    assert outputs("in/**/*.png") == ["1", "[1]", "a", "b"]
    assert outputs("in/[1].png") == ["[1]"]  # a file of this name comes before the pattern


@pytest.mark.parametrize("name", ["nope.png", "in", "in/*.png"])
def test_a_name_that_leads_nowhere_is_one_line(make, name):
    make("in/notes.txt", "a.png")
    with pytest.raises(UserError, match=rf"^{name.replace('*', '.')}: no picture found; allowed: .*\.png"):
        find(["a.png", name], Path("out"))


def test_outputs_of_two_pictures_never_share_a_name(make):
    make("in/a.png", "in/a_uncertainty.jpg")
    with pytest.raises(UserError, match=r"a\.png and .*a_uncertainty\.jpg: both would write a_uncertainty\.png"):
        find(["in"], Path("out"))
