"""A lost bit in a file of tensors: refused, or without effect."""

import random

import pytest
import torch

from stages.state_files import read_state

STATE = {"weight": torch.arange(600.0).reshape(20, 30), "count": torch.tensor(3), "step": 7, "lines": [{"loss": 0.5}]}


def same(state) -> bool:
    return (
        state.keys() == STATE.keys()
        and all(torch.equal(state[key], STATE[key]) for key in ("weight", "count"))
        and all(state[key] == STATE[key] for key in ("step", "lines"))
    )


def test_a_lost_bit_is_refused_where_it_changes_what_is_read(tmp_path):
    file = tmp_path / "state.pt"
    torch.save(STATE, file)
    content = file.read_bytes()
    assert same(read_state(file, "cpu"))
    moments, refused = random.Random(0), 0
    for _ in range(300):
        place = moments.randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        file.write_bytes(flipped)
        try:
            assert same(read_state(file, "cpu"))
        except AssertionError:
            raise
        except Exception:  # noqa: BLE001 - that it is refused is what counts
            refused += 1
    assert refused > 150


@pytest.mark.parametrize("content", [b"", b"half"])
def test_what_is_no_archive_is_refused(tmp_path, content):
    file = tmp_path / "state.pt"
    file.write_bytes(content)
    with pytest.raises(Exception, match="zip"):
        read_state(file, "cpu")
