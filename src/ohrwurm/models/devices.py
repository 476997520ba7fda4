"""Where a model computes."""

from __future__ import annotations

import torch

from ohrwurm.errors import ModelError


def device(name: str | torch.device = "auto") -> torch.device:
    """The device of a name that torch knows, or with "auto" the best there is: CUDA, Apple's MPS, the CPU.

    Raises:
        ModelError: no such device here.

    >>> device("cpu")
    device(type='cpu')
    >>> device("abacus")
    Traceback (most recent call last):
        ...
    ohrwurm.errors.ModelError: no device 'abacus': auto, cpu, cuda (or cuda:0, ...) or mps
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        found = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"no device {str(name)!r}: auto, cpu, cuda (or cuda:0, ...) or mps") from error
    there = {"cuda": cuda and (found.index or 0) < torch.cuda.device_count(), "mps": mps}.get(found.type, True)
    if not there:
        raise ModelError(f"this machine has no {found}; leave the device out, or take auto or cpu")
    return found
