"""Which device, precision and name a run has."""

import pytest
import torch

from stages import device
from stages.errors import UserError


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)


@pytest.fixture
def two_cuda_devices(monkeypatch) -> list[torch.device]:
    """The devices that became the current one, on a machine that seems to have two."""
    current: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    return current


def test_auto_is_the_cpu_where_there_is_no_cuda_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.resolve("auto") == device.resolve("cpu") == torch.device("cpu")


def test_a_cuda_device_becomes_the_current_one(two_cuda_devices):
    found = [device.resolve(name) for name in ("cuda:1", "cuda", "auto")]
    assert found == two_cuda_devices == [torch.device("cuda:1"), torch.device("cuda:0"), torch.device("cuda:0")]


def test_under_torchrun_each_process_has_its_own(two_cuda_devices, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert device.resolve("auto") == device.resolve("cuda") == torch.device("cuda:1")
    monkeypatch.setenv("LOCAL_RANK", "2")
    message = "^params.yaml: device is auto with several processes; this machine has 2 CUDA devices$"
    with pytest.raises(UserError, match=message):
        device.resolve("auto")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "", "mps"])
def test_what_is_no_device_is_refused(name):
    with pytest.raises(UserError, match="^device is .*; allowed: auto, cpu, cuda, cuda:0"):
        device.resolve(name)


def test_a_cuda_device_that_is_not_there_is_refused(two_cuda_devices):
    with pytest.raises(UserError, match="^params.yaml: device is cuda:7; this machine has 2 CUDA devices$"):
        device.resolve("cuda:7")
    assert not two_cuda_devices


@pytest.mark.parametrize(
    ("units", "dtype"),
    [({}, torch.float32), ({"avx512_bf16": True}, torch.bfloat16), ({"amx_bf16": True}, torch.bfloat16)],
)
def test_a_cpu_computes_in_bf16_where_it_has_units_for_it(units, dtype, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units | {"cpu_name": "a CPU"})
    assert device.precision(torch.device("cpu")) == dtype
    assert device.name(torch.device("cpu")) == "a CPU"


def test_keeping_freed_memory_does_nothing_where_there_is_no_glibc(monkeypatch):
    device.keep_freed_memory()

    def no_library(_):
        raise OSError

    monkeypatch.setattr(device.ctypes, "CDLL", no_library)
    device.keep_freed_memory()
