"""What an interrupted training leaves, and that two never write to the same files."""

import errno
import threading
from pathlib import Path

import pytest
import torch

from stages import config, paths
from stages.errors import UserError
from stages.train import loop
from stages.train.checkpoints import Checkpoint, exclusive_lock, open_checkpoint, write_state
from stages.train.trainer import Trainer
from tests.train import tiny

CPU = torch.device("cpu")


def test_a_torn_checkpoint_counts_as_none(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "state.pt").write_bytes(b"torn")
    with open_checkpoint(tmp_path / "run") as saved:
        assert saved.load(CPU) is None
        saved.save({"step": 3, "tensor": torch.ones(2)})
        assert saved.load(CPU)["step"] == 3


def test_a_checkpoint_that_lost_a_bit_of_a_weight_counts_as_none(tmp_path):
    with open_checkpoint(tmp_path / "run") as saved:
        saved.save({"step": 3, "tensor": torch.ones(1000)})
        file = tmp_path / "run" / "state.pt"
        content = bytearray(file.read_bytes())
        content[content.index(torch.ones(100).numpy().tobytes())] ^= 1
        file.write_bytes(content)
        assert not torch.equal(torch.load(file, weights_only=True)["tensor"], torch.ones(1000))  # why it is checked
        assert saved.load(CPU) is None


def full(self: Path, content: bytes) -> None:
    """Write a half, as a disk without room does."""
    with self.open("wb") as stream:
        stream.write(bytes(content)[: len(content) // 2])
    raise OSError(errno.ENOSPC, "No space left on device")


def test_where_there_is_no_room_the_old_state_stays_and_nothing_unfinished(tmp_path, monkeypatch):
    file = tmp_path / "state.pt"
    write_state(file, {"step": 1})
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left on device: '.*state.pt'"):
        write_state(file, {"step": 2})
    assert torch.load(file) == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_a_training_goes_on_without_its_checkpoints_and_says_so_once(tmp_path, monkeypatch, capsys):
    tiny.write_project(root := tmp_path)
    whole = loop.train(config.load(root), "bce-500", 0, root)
    weights = (whole / "weights.pt").read_bytes()
    monkeypatch.setattr("stages.train.trainer.CHECKPOINT_SECONDS", 0.0)
    write = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", lambda self, x: (full if "state" in self.name else write)(self, x))
    capsys.readouterr()
    again = loop.train(config.load(root), "bce-500", 0, root)
    assert (again / "weights.pt").read_bytes() == weights
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    (note,) = notes
    assert "no checkpoint of step 1, training goes on without: " in note and note.endswith("then run this again")
    assert not list(paths.checkpoints(root).rglob("state*"))


def test_a_checkpoint_stays_after_an_exception_and_goes_after_success(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt), open_checkpoint(folder) as saved:
        saved.save({"step": 3})
        raise KeyboardInterrupt
    with open_checkpoint(folder) as saved:
        assert saved.load(CPU) == {"step": 3}
    assert not folder.exists()


def test_a_locked_run_is_refused_and_another_is_not(tmp_path):
    with exclusive_lock(tmp_path / "checkpoints", "bce-500-0"):
        with (
            pytest.raises(UserError, match="^bce-500-0: another process is training this row and seed; wait"),
            exclusive_lock(tmp_path / "checkpoints", "bce-500-0"),
        ):
            pass
        with exclusive_lock(tmp_path / "checkpoints", "bce-500-1"):
            pass
    with exclusive_lock(tmp_path / "checkpoints", "bce-500-0"):
        pass


def test_who_waits_gets_the_lock_once_it_is_free(tmp_path, capsys):
    folder = tmp_path / "checkpoints"
    held, entered = exclusive_lock(folder, "bce-500-0"), threading.Event()

    def wait():
        with exclusive_lock(folder, "bce-500-0", wait=True):
            entered.set()

    with held:
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not entered.wait(0.3)
    waiting.join(timeout=60)
    assert entered.is_set()
    assert capsys.readouterr().out == "bce-500-0: in training already; waiting for it\n"


@pytest.mark.parametrize("kept", ["another network", "an older version", "a later step", "no dictionary"])
def test_a_checkpoint_of_something_else_starts_the_training_anew(tmp_path, kept):
    tiny.write_project(root := tmp_path)
    settings = config.load(root)
    job = loop.prepare(settings, "bce-500", 0, root)
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    saved = Checkpoint(folder)
    Trainer(job, CPU, saved).save()
    state = torch.load(folder / "state.pt")
    if kept == "another network":
        state["network"] = {name: torch.zeros(*value.shape, 2) for name, value in state["network"].items()}
    if kept == "an older version":
        del state["trace"]
    if kept == "a later step":
        state["step"] = 1000
    write_state(folder / "state.pt", [1, 2] if kept == "no dictionary" else state)
    trainer = Trainer(job, CPU, saved)
    assert (trainer.step, trainer.resumed) == (0, 0)
    trainer.fit("test", shown=False)
    assert trainer.step == trainer.steps
