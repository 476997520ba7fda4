"""Which fast number formats a device computes in by itself; the others it would only emulate, and slowly."""

from __future__ import annotations

import torch


def has_bf16(device: torch.device) -> bool:
    """Whether `device` multiplies bfloat16 in hardware: CPUs with AVX512-BF16 or AMX, GPUs from Ampere on.

    >>> isinstance(has_bf16(torch.device("cpu")), bool)
    True
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
