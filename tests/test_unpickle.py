"""Pickles: read as data, in one place; no code of theirs ever runs."""

from __future__ import annotations

import argparse
import ast
import io
import pickle
import sys
import tarfile
import types
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ohrwurm.errors import DataError, ModelError
from ohrwurm.models.convert import read_weights
from ohrwurm.unpickle import StandIn, read_pickle, read_plain_pickle

SOURCE = Path(__file__).parents[1] / "src" / "ohrwurm"


class Trap:
    """Its unpickling would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def save_zip(content: Any, file: Path) -> None:
    torch.save(content, file)


def save_legacy(content: Any, file: Path) -> None:
    torch.save(content, file, _use_new_zipfile_serialization=False)


def save_tar(content: Any, file: Path) -> None:
    """The layout of torch 0.1: a tar of `sys_info`, `pickle`, `tensors`, `storages`."""
    with tarfile.open(file, "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            data = pickle.dumps(content, 2)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def save_plain(content: Any, file: Path) -> None:
    file.write_bytes(pickle.dumps(content, 2))


WRITERS = [save_zip, save_legacy, save_tar, save_plain]


@pytest.mark.parametrize("save", WRITERS)
@pytest.mark.parametrize("place", ["beside", "inside"])
def test_no_code_of_a_pickle_runs(tmp_path: Path, save, place: str) -> None:
    trap = tmp_path / "owned"
    weights: dict[str, Any] = {"weight": torch.zeros(1, 1), "bias": torch.zeros(1)}
    content = {"state_dict": weights, "hyper_parameters": Trap(trap)} if place == "beside" else {"w": Trap(trap)}
    save(content, tmp_path / "trap.pth")
    with pytest.raises(ModelError, match="never run"):
        read_weights(nn.Linear(1, 1), tmp_path / "trap.pth")
    assert not trap.exists()
    if save is save_zip:
        with pytest.raises(ModelError, match=r"trap\.pth: holds code \(pathlib|getattr"):
            read_pickle(tmp_path / "trap.pth")


def test_traps_work_where_pickles_are_trusted(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(tmp_path / "owned"), 2))
    assert (tmp_path / "owned").exists(), "the other tests would pass without it"


class AsTrainer:
    """An object whose class a trainer's package would hold; calls what `reduce` says when it is unpickled."""

    def __init__(self, module: str, name: str, *arguments: Any) -> None:
        self.target, self.arguments = (module, name), arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr(sys.modules[self.target[0]], self.target[1]), self.arguments


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A trainer's package at the time of writing; gone when the checkpoint is read."""
    package = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")

    class ModelCheckpoint:
        pass

    class AttributeDict(dict):
        pass

    def run(path: str) -> None:
        Path(path).touch()

    for thing in (ModelCheckpoint, AttributeDict, run):
        thing.__module__, thing.__qualname__ = package.__name__, thing.__name__
        setattr(package, thing.__name__, thing)
    monkeypatch.setitem(sys.modules, "pytorch_lightning", types.ModuleType("pytorch_lightning"))
    monkeypatch.setitem(sys.modules, "pytorch_lightning.callbacks", types.ModuleType("pytorch_lightning.callbacks"))
    monkeypatch.setitem(sys.modules, package.__name__, package)
    return package


def test_trainers_own_objects_are_passed_over(tmp_path: Path, trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {
        "pytorch-lightning_version": "1.1.6",
        "callbacks": {trainer.ModelCheckpoint: {"best": trainer.ModelCheckpoint()}},
        "hyper_parameters": trainer.AttributeDict(batch=48, args=argparse.Namespace(seed=42)),
        "state_dict": {"weight": torch.ones(1, 1), "bias": torch.zeros(1)},
    }
    torch.save(content, tmp_path / "clmr.ckpt")
    monkeypatch.delitem(sys.modules, trainer.__name__)
    found = read_pickle(tmp_path / "clmr.ckpt")
    assert found["hyper_parameters"]["batch"] == 48
    assert isinstance(found["hyper_parameters"]["args"], StandIn)
    model = nn.Linear(1, 1)
    assert read_weights(model, tmp_path / "clmr.ckpt").ignored == {}
    assert model.weight.item() == 1.0


def test_a_name_among_the_trainers_calls_nothing(tmp_path: Path, trainer) -> None:
    """Even while a module of that name is there: the name is answered without looking it up."""
    trap = tmp_path / "owned"
    torch.save({"x": AsTrainer(trainer.__name__, "run", str(trap))}, tmp_path / "named.ckpt")
    assert isinstance(read_pickle(tmp_path / "named.ckpt")["x"], StandIn)
    assert not trap.exists()
    torch.save({"x": AsTrainer("posix", "system", f"touch {trap}")}, tmp_path / "system.ckpt")
    with pytest.raises(ModelError, match=r"holds code \(posix\.system\)"):
        read_pickle(tmp_path / "system.ckpt")
    assert not trap.exists()


def test_archive_that_grows_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", b"\0" * 10_000_000)
    assert (tmp_path / "bomb.pth").stat().st_size < 20_000
    with pytest.raises(ModelError, match="compressed archive"):
        read_pickle(tmp_path / "bomb.pth")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("seed", range(8))
def test_garbage_is_our_error_or_none(tmp_path: Path, seed: int) -> None:
    """Bytes of a real checkpoint overwritten at random: read, or refused, but never anything else."""
    generator = torch.Generator().manual_seed(seed)
    for save in (save_zip, save_legacy):
        save({"state_dict": nn.Linear(4, 4).state_dict()}, tmp_path / "whole.pt")
        data = bytearray((tmp_path / "whole.pt").read_bytes())
        for at in torch.randint(0, len(data), (20,), generator=generator).tolist():
            data[at] = int(torch.randint(0, 256, (1,), generator=generator))
        (tmp_path / "garbled.pt").write_bytes(bytes(data))
        with suppress(ModelError):
            read_pickle(tmp_path / "garbled.pt")
        (tmp_path / "garbled.pt").write_bytes(bytes(data[: len(data) // 2]))
        with pytest.raises(ModelError, match=r"garbled\.pt"):
            read_pickle(tmp_path / "garbled.pt")


def test_large_checkpoints_stay_in_their_file(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1 << 20)}, tmp_path / "large.pt")
    tensor = read_pickle(tmp_path / "large.pt", mapped=True)["weight"]
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("no /proc to look into")
    spans = [line.split()[0].split("-") for line in maps.read_text().splitlines() if line.endswith("large.pt")]
    assert any(int(low, 16) <= tensor.data_ptr() < int(high, 16) for low, high in spans)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_tables_of_strings_are_read_and_nothing_that_has_to_be_called(tmp_path: Path, protocol: int) -> None:
    file, trap = tmp_path / "table.pkl", tmp_path / "owned"
    table = {"TRAAA": "12", 7: ["a", ("é", 1.5, None, True)]}
    file.write_bytes(pickle.dumps(table, protocol))
    assert read_plain_pickle(file) == table
    for content in ({"a": Trap(trap)}, [Trap(trap)], {"a": Path("x")}, {"a": torch.zeros(1)}):
        file.write_bytes(pickle.dumps(content, protocol))
        with pytest.raises(DataError, match=r"table\.pkl: holds code .* never run"):
            read_plain_pickle(file)
    assert not trap.exists()
    data = pickle.dumps(table, protocol)
    for damaged in (data[: len(data) // 2], b"", b"{}", data[1:]):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match=r"table\.pkl: "):
            read_plain_pickle(file)


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    found = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [(ast.unparse(node.func), node) for node in found]


def test_pickles_are_read_in_one_place_and_as_weights_only() -> None:
    loads = []
    for path in SOURCE.rglob("*.py"):
        for name, call in calls(path):
            arguments = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            if name in ("torch.load", "load_from_checkpoint") or name.endswith(".load_from_checkpoint"):
                loads.append(path.relative_to(SOURCE).as_posix())
                assert arguments.get("weights_only") == "True", path
            assert not name.startswith(("pickle.", "joblib.", "dill.", "cloudpickle.")), f"{path}: {name}"
            assert arguments.get("allow_pickle", "False") == "False", path
            assert arguments.get("trust_remote_code", "False") == "False", path
    assert loads == ["unpickle.py"]
