"""What a computation ran on, so that a figure or a time can be judged: processor, memory, accelerator, threads."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any


def machine(device: str = "cpu") -> dict[str, Any]:
    """The machine in words and numbers; neither its name nor anybody's, and no paths.

    Args:
        device: what the model computed on, as torch names it.

    >>> sorted(machine())
    ['cores', 'cpu', 'device', 'memory in GiB', 'system', 'threads']
    """
    import torch

    named = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    return {
        "cpu": _processor(),
        "cores": os.cpu_count() or 1,
        "memory in GiB": _memory(),
        "device": named,
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    """The processor's model; where the system does not tell, its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()


def _memory() -> float | None:
    """Physical memory in GiB; None where the system does not tell."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):
        return None
