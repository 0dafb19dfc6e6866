"""The device, precision and memory settings of a run."""

import contextlib
import ctypes
import os
import platform
import re

import torch

from stages.config import DEVICES
from stages.errors import UserError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # <malloc.h>


def resolve(name: str) -> torch.device:
    """Return the device of this name, and make a CUDA device the process's current one.

    Streams and CUDA graphs belong to the current device, whichever device their tensors are on.

    Args:
        name: `auto`, the first CUDA device where there is one, else the CPU; or cpu, cuda, cuda:0, cuda:1 ... Under
            torchrun, `auto` and `cuda` are the CUDA device with the process's number on its machine.

    Raises:
        UserError: Not a device's name, or a CUDA device that this machine lacks.
    """
    if not re.fullmatch(DEVICES, name):
        raise UserError(f"device is {name}; allowed: auto, cpu, cuda, cuda:0, cuda:1 ...")
    asked = f"device is {name}" + (" with several processes" if "LOCAL_RANK" in os.environ else "")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if name == "cuda" else name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"params.yaml: {asked}; this machine has {torch.cuda.device_count()} CUDA devices")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def precision(device: torch.device) -> torch.dtype:
    """Return the network's autocast type: bf16 on GPUs and CPUs with bf16 units, else fp32; losses are always fp32.

    Without bf16 units a CPU computes bf16 convolutions many times slower than fp32.
    """
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32


def name(device: torch.device) -> str:
    """Return the device's product name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return torch.cpu.get_capabilities().get("cpu_name") or platform.machine()


def keep_freed_memory() -> None:
    """Let glibc keep freed blocks for the next step; do nothing where there is no glibc.

    By default it returns every large block to the system, and each page of it is mapped and zeroed anew in the next
    step.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
