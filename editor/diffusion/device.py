"""The device of this machine, asked from torch."""

from __future__ import annotations

import platform

import psutil
import torch

from editor.models.device import Device


def this_device() -> Device:
    """The best there is: a CUDA card, Apple's GPU, or the processor. Free memory is that of this moment."""
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        # What earlier runs took and torch keeps for the next one is free too.
        free += torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return Device(
            "cuda", torch.cuda.get_device_name(), total, free, torch.cuda.is_bf16_supported(including_emulation=False)
        )
    memory = psutil.virtual_memory()
    total, free = memory.total, memory.available  # with copies of files, which the system gives up when asked
    name = platform.processor() or platform.machine()
    if torch.backends.mps.is_available():
        # Memory is shared with the rest of the machine; Metal lends a program its recommended part of it at most.
        return Device("mps", name, total, min(free, torch.mps.recommended_max_memory()))
    return Device("cpu", name, total, free)
