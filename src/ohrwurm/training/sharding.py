"""FSDP, `trainer.strategy=fsdp`: parameters, gradients and optimiser state split over the processes of a run.

PyTorch's `fully_shard` (FSDP2) under Lightning, on CUDA GPUs or, for tests, on CPU processes. The members of every
`ModuleList` (a Transformer's or a Conformer's layers) are gathered one by one when they are needed, the rest of the
model for the whole step. A state to go on from is a folder to which each process writes its part; the best weights are
one whole file, so that a model is exported as after any other run.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor, nn

from ohrwurm.errors import RecipeError
from ohrwurm.models.folding import Derived
from ohrwurm.training import checkpoints

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

    from ohrwurm.training.recipes import TrainerSettings

STEPS = ("training_step", "validation_step")  # between whose beginning and end weights are there


class FullySharded(ModelParallelStrategy):
    """Lightning's strategy for `fully_shard`: splits any task, writes checkpoints complete or absent."""

    def __init__(self, processes: int) -> None:
        super().__init__(data_parallel_size=processes, tensor_parallel_size=1)

    def setup_environment(self) -> None:
        super().setup_environment()
        task = self.lightning_module
        assert task is not None
        # The hook in which Lightning wants this done; of this task alone, for other strategies must not find it.
        task.__dict__["configure_model"] = functools.partial(split, task, self.device_mesh["data_parallel"])

    def on_validation_start(self) -> None:
        """Every process validates the same model: batch norms have counted different parts of the batches."""
        self._share_buffers()
        assert self.model is not None
        for module in self.model.modules():  # gathered weights move in memory, and torch does not count that as change
            for value in vars(module).values():
                if isinstance(value, Derived):
                    value.drop()

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any = None) -> None:
        path = Path(self.broadcast(filepath))
        if path.name == checkpoints.best(Path()).name:
            assert self.model is not None
            whole = {key: _whole(value) for key, value in self.model.state_dict().items()}  # by all processes together
            if self.is_global_zero:
                self.checkpoint_io.save_checkpoint({**checkpoint, "state_dict": whole}, path)
            self.barrier()
            return
        self._share_buffers()
        shards = self.broadcast(checkpoints.next_shards(path) if self.is_global_zero else path)
        super().save_checkpoint(checkpoint, shards)
        self.barrier()
        if self.is_global_zero:
            checkpoints.commit_shards(path, shards)
        self.barrier()

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        path = Path(checkpoint_path)
        return super().load_checkpoint(checkpoints.shards(path) if path.is_dir() else path, weights_only)

    def _share_buffers(self) -> None:
        assert self.model is not None
        for buffer in self.model.buffers():
            torch.distributed.broadcast(buffer, src=0)


def split(task: nn.Module, mesh: DeviceMesh) -> None:
    """Split a task's parameters over the processes of `mesh`, in units that are gathered together.

    Raises:
        RecipeError: a parameter is a single number, which cannot be split.
    """
    from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

    if isinstance(task, FSDPModule):
        return
    numbers = [name for name, parameter in task.named_parameters() if parameter.ndim == 0]
    if numbers:
        raise RecipeError(
            f"trainer.strategy=fsdp cannot split a single number, {', '.join(numbers)}: take trainer.strategy=ddp"
        )
    for module in reversed(list(task.modules())):  # the inner ones first
        for layer in module if isinstance(module, nn.ModuleList) else ():
            if any(True for _ in layer.parameters()):
                fully_shard(layer, mesh=mesh)
    fully_shard(task, mesh=mesh)
    for name in STEPS:
        register_fsdp_forward_method(task, name)


def check_sharding(settings: TrainerSettings) -> None:
    """Refuse what FSDP cannot do here.

    Raises:
        RecipeError: an average of weights that are split, half precision that scales gradients, or Apple's GPU.
    """
    if settings.ema is not None:
        raise RecipeError("trainer.strategy=fsdp keeps no average of the weights: trainer.ema=null, or strategy=ddp")
    if settings.precision not in ("32", "bf16-mixed"):
        raise RecipeError(f"trainer.strategy=fsdp computes in 32 or bf16-mixed, not in {settings.precision}")
    apple = torch.backends.mps.is_available() and settings.accelerator in ("auto", "gpu")
    if settings.accelerator == "mps" or apple:
        raise RecipeError("trainer.strategy=fsdp needs several CUDA GPUs (or CPU processes); Apple's GPU is only one")


def _whole(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    from torch.distributed.tensor import DTensor

    return (value.full_tensor() if isinstance(value, DTensor) else value).detach().cpu().clone()
