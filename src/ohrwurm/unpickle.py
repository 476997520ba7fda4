"""The one place where a pickle is read: checkpoints as their authors saved them, as data and never as code.

A pickle names functions for the reader to call. `torch.load(weights_only=True)` calls those that build tensors and
plain containers, and no others; `read_plain_pickle` calls none at all. Trainers also leave objects of their own beside
the weights (settings, the state of callbacks); their names are answered with a stand-in that does nothing, so that such
a file can be read although the trainer is not installed. Any other name is refused.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from ohrwurm.errors import DataError, ModelError

# What trainers leave behind. None of it is imported: the name alone is recognised, and a stand-in takes its place.
LEFT_BY_TRAINERS = (
    "argparse.Namespace", "pathlib.", "numpy.", "omegaconf.",
    "pytorch_lightning.", "lightning.", "lightning_fabric.", "lightning_utilities.",
)  # fmt: skip
_REFUSED = re.compile(r"GLOBAL (\S+)")


class StandIn:
    """Stands for an object of a trainer: takes whatever it is given, and does nothing with it."""

    def __new__(cls, *_: Any) -> StandIn:
        return object.__new__(cls)

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class DictStandIn:
    """Stands for a trainer's kind of dictionary; an object of it is a plain one."""

    def __new__(cls, *_: Any) -> Any:
        return {}


def read_pickle(file: str | Path, mapped: bool = False) -> Any:
    """What `torch.save` wrote to `file`: tensors (on the CPU) in plain containers.

    Args:
        file: a checkpoint, of this or an older torch.
        mapped: leave the tensors in the file until they are used (a gigabyte need not be in memory twice); the file
            must not be changed meanwhile. Without effect on files of torch before 1.6.

    Raises:
        ModelError: the file is damaged, no file of torch, or holds code.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "best.pth"
    >>> torch.save({"epoch": 3, "state_dict": {"weight": torch.ones(2)}}, file)
    >>> read_pickle(file)
    {'epoch': 3, 'state_dict': {'weight': tensor([1., 1.])}}
    """
    file = Path(file)
    if not file.is_file():
        raise ModelError(f"{file}: no such file. Check the path.")
    packed = is_zip(file)
    if packed:
        _check_size(file)
    try:
        with torch.serialization.safe_globals(_stand_ins(file) if packed else []):
            return torch.load(file, map_location="cpu", weights_only=True, mmap=mapped and packed)
    except Exception as error:  # garbage that is read as a pickle can fail in any way
        raise ModelError(f"{file}: {_reason(error)}") from error


class _Plain(pickle.Unpickler):
    """Reads numbers, strings and containers of them, which a pickle spells out without naming any function."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        raise ValueError(f"holds code ({module_name}.{global_name}), which is never run")


def read_plain_pickle(file: str | Path) -> Any:
    """What `pickle.dump` wrote to `file`, if that is numbers, strings and containers of them: tables of a data set.

    Raises:
        DataError: there is no such file, it is damaged, or it holds anything else.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "paths.pkl"
    >>> _ = file.write_bytes(pickle.dumps({"TRAAA": "1/2/3.mp3"}))
    >>> read_plain_pickle(file)
    {'TRAAA': '1/2/3.mp3'}
    """
    try:
        with open(file, "rb") as stream:
            return _Plain(stream, encoding="latin-1").load()  # as Python 2 wrote its strings
    except FileNotFoundError as error:
        raise DataError(f"{file}: no such file") from error
    except Exception as error:  # garbage that is read as a pickle can fail in any way
        raise DataError(
            f"{file}: {error or type(error).__name__}. Expected is a table of plain strings; get the data set again."
        ) from error


def is_zip(file: Path) -> bool:
    """Whether the file is a zip archive, and not a damaged one."""
    try:
        return zipfile.is_zipfile(file)
    except (zipfile.BadZipFile, OSError):
        return False


def _stand_ins(file: Path) -> list[Any]:
    """(stand-in, name) of each name in the file that is a trainer's."""
    found = torch.serialization.get_unsafe_globals_in_checkpoint(str(file))
    return [
        (DictStandIn if name.endswith("Dict") else StandIn, name)
        for name in found
        if name.startswith(LEFT_BY_TRAINERS)
    ]  # fmt: skip


def _check_size(file: Path) -> None:
    """Refuse an archive that would grow while it is unpacked: `torch.save` never compresses."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ModelError(f"{file}: damaged ({error}). Fetch it again.") from error
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ModelError(
            f"{file}: a compressed archive, which torch.save does not write. If a checkpoint is packed in it, unpack "
            "it first, or give the archive to `ohrwurm models convert`."
        )


def _reason(error: Exception) -> str:
    refused = _REFUSED.search(str(error))
    if refused:
        return (
            f"holds code ({refused[1]}), which is never run. Ask its author for a plain state dict or safetensors; "
            "if you trust it, load it where it was made and save the state dict alone."
        )
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return (
        f"not readable as weights only ({first[:200]}). It may be damaged, or hold code, which is never run: "
        "fetch it again, or ask its author for a plain state dict or safetensors."
    )
