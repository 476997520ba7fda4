"""Which published tensor became which of ours, found by watching them go through a model's `from_published`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

# Questions about values whose answer is no tensor; all other calls that give none only look at shape and kind.
_COMPARISONS = {torch.equal, torch.allclose, Tensor.equal, Tensor.allclose, Tensor.item, Tensor.tolist, Tensor.numpy}


class Lineage(TorchFunctionMode):
    """While it is entered, every tensor computed from those of `state` remembers their names.

    Attributes:
        compared: names of tensors whose values were looked at.

    >>> q, k = torch.ones(2), torch.zeros(2)
    >>> with Lineage({"q": q, "k": k}) as lineage:
    ...     both = torch.cat([q, k]).half()
    >>> sorted(lineage.of(both)), sorted(lineage.of(q)), sorted(lineage.of(torch.ones(1)))
    (['k', 'q'], ['q'], [])
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.compared: set[str] = set()
        self._names: Any = WeakIdKeyDictionary()
        for name, tensor in state.items():
            self._names[tensor] = frozenset({name})

    def of(self, tensor: Tensor) -> frozenset[str]:
        """Names of the tensors that `tensor` was made from; empty if none."""
        return self._names.get(tensor, frozenset())

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        given = [leaf for leaf in tree_leaves((args, kwargs or {})) if isinstance(leaf, Tensor)]
        names: frozenset[str] = frozenset().union(*(self.of(tensor) for tensor in given))
        if not names:
            return result
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if getattr(func, "__name__", "") == "__setitem__":
            made.append(args[0])  # x[...] = published
        if made or func in _COMPARISONS:
            self.compared |= names
        for tensor in made:
            self._names[tensor] = self.of(tensor) | names
        return result
