"""The device of this machine, asked from torch."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

from editor.models.device import Device


def this_device() -> Device:
    """The best there is: a CUDA card, Apple's GPU, or the processor. Free memory is that of this moment."""
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        return Device(
            "cuda", torch.cuda.get_device_name(), total, free, torch.cuda.is_bf16_supported(including_emulation=False)
        )
    total, free = _main_memory()
    name = platform.processor() or platform.machine()
    if torch.backends.mps.is_available():
        # Memory is shared with the rest of the machine; Metal lends a program its recommended part of it at most.
        return Device("mps", name, total, min(free, torch.mps.recommended_max_memory()))
    return Device("cpu", name, total, free)


def _main_memory() -> tuple[int, int]:
    """Total and free bytes. What holds copies of files counts as free: the system gives it up when it is asked for memory."""
    told = Path("/proc/meminfo")
    if told.is_file():
        lines = dict(line.split(":", 1) for line in told.read_text("ascii").splitlines() if ":" in line)
        total, free = (int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
        return total, free
    page, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    # Elsewhere nobody says what could be given up; half is what a machine in use can be expected to have.
    return page * pages, page * pages // 2
