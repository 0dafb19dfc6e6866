"""What is written over, and what never is."""

import os

import pytest

from stages.errors import UserError
from stages.predict.files import check_outputs, out_path, whole_file


@pytest.fixture(params=["pipe", "link to a file", "link to nothing", "folder"])
def irregular(request, tmp_path):
    """A path at which something other than a regular file is."""
    path = tmp_path / request.param
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "folder":
        path.mkdir()
    else:
        (tmp_path / "mine").write_text("mine")
        path.symlink_to("mine" if request.param == "link to a file" else "nothing")
    return path


@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_regular_file_is_never_replaced(irregular, force):
    before = irregular.lstat()
    with pytest.raises(UserError, match=f"^{irregular}: exists and is no regular file; take another --out$"):
        check_outputs([irregular.with_name("new"), irregular], force)
    with pytest.raises(UserError, match="is no regular file"), whole_file(irregular) as path:
        path.write_text("new")
    assert irregular.lstat() == before


def test_an_input_is_never_written_over_whatever_path_leads_to_it(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to("mine")
    check_outputs([tmp_path / "mine"], True, [tmp_path / "other"])
    with pytest.raises(UserError, match="mine: is one of the pictures and would be written over"):
        check_outputs([tmp_path / "mine"], True, [tmp_path / "link"])


def test_a_new_file_in_new_folders_is_written(tmp_path):
    file = tmp_path / "a" / "b" / ("n" * 246)
    check_outputs([file], False)
    with whole_file(file) as path:
        path.write_text("new")
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    with pytest.raises(UserError, match="n: exists already; take another --out, or --force to overwrite"):
        check_outputs([file], False)
    check_outputs([file], True)


@pytest.mark.parametrize("name", ["n" * 247, f"new/{'n' * 256}/file", f"{'n' * 256}/file"])
def test_a_name_that_is_too_long_is_one_line(tmp_path, name):
    with pytest.raises(UserError, match=r"n: |file: ") as error:
        check_outputs([tmp_path / name], True)
    assert " bytes while it is written; allowed: 255" in str(error.value)


def test_a_folder_that_is_a_file_or_takes_none_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file: is no folder; take another --out$"):
        check_outputs([tmp_path / "file" / "new" / "a"], True)
    (tmp_path / "closed").mkdir(mode=0o555)
    if os.access(tmp_path / "closed", os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(UserError, match="closed: no permission to write in this folder"):
        check_outputs([tmp_path / "closed" / "new" / "a"], True)


def test_an_empty_out_is_refused():
    with pytest.raises(UserError, match="^--out is empty; allowed: a path"):
        out_path("")
