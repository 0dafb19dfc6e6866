"""What an interrupted training leaves, and that two never write to the same files."""

import threading

import pytest
import torch

from stages.errors import UserError
from stages.train.checkpoints import exclusive_lock, open_checkpoint

CPU = torch.device("cpu")


def test_a_torn_checkpoint_counts_as_none(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "state.pt").write_bytes(b"torn")
    with open_checkpoint(tmp_path / "run") as saved:
        assert saved.load(CPU) is None
        saved.save({"step": 3, "tensor": torch.ones(2)})
        assert saved.load(CPU)["step"] == 3


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
