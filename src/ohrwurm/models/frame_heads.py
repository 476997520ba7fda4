"""Heads that turn an encoder's hidden states into what is heard at each moment: MusicFM's downstream tasks, probed as
MARBLE does (Yuan et al., "MARBLE: Music Audio Representation Benchmark for Universal Evaluation", NeurIPS 2023).

    states, (B, L, D) each ─weighted sum, one of them, or all side by side─▶ (B, L, D)
        ─average in time─▶ (B, frames, D) ─Linear, ReLU, dropout, Linear─▶ logits (B, frames, n), by name of the output

What a task's outputs mean, and how they become beats or chords, is in `ohrwurm.analysis`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from ohrwurm.errors import ModelError
from ohrwurm.events import KEYS, SECTIONS, TRIADS

Target = Literal["beats", "chords", "chord-parts", "sections", "key", "tags"]
States = Literal["weighted", "last", "concat"]
Upsampling = Literal["repeat", "learned"]
TARGETS: tuple[Target, ...] = get_args(Target)
FRAME_RATES: dict[Target, float] = {"beats": 50, "chords": 16, "chord-parts": 16, "sections": 8, "key": 0.5}  # paper
CLASSES: dict[Target, tuple[str, ...]] = {"chords": TRIADS, "sections": SECTIONS, "key": KEYS}
PARTS = {"root": 13, "bass": 13, "pitches": 12}  # of a chord; the thirteenth root, and bass, is that of no chord


@dataclass(frozen=True)
class HeadSpec:
    """What a head listens to, and what it tells: plain values, kept on the card of its model.

    Attributes:
        task: one of `TARGETS`.
        classes: names of the labelled output, in order: 25 chords, 7 sections, 24 keys unless given; tags have no
            default. "beats" and "chord-parts" have none to name.
        frame_rate: outputs a second; unless given the paper's `FRAME_RATES`, and for "tags" None: one vector a window.
        states: "weighted" is a sum of all hidden states with learned weights (their softmax, equal at first), "concat"
            a Linear of all side by side (MARBLE's MLPReduce), "last" the last; a number, one of them.
        hidden: width of the hidden layer; None is a linear head.
        dropout: on the hidden layer.
        upsampling: where `frame_rate` is above the encoder's: "repeat" gives the same token several times (the paper:
            25 tokens a second, 50 frames), "learned" lets the head give several frames a token.

    Raises:
        ModelError: no such task, or values that make no sense.

    >>> HeadSpec("beats").outputs, HeadSpec("beats").frame_rate
    ({'beats': 2}, 50)
    >>> HeadSpec("tags", classes=("jazz", "rock"), hidden=None).outputs
    {'tags': 2}
    >>> HeadSpec.from_dict(HeadSpec("key", states=7).as_dict()) == HeadSpec("key", states=7)
    True
    """

    task: Target
    classes: tuple[str, ...] = ()
    frame_rate: float | None = None
    states: States | int = "weighted"
    hidden: int | None = 512
    dropout: float = 0.2
    upsampling: Upsampling = "repeat"

    def __post_init__(self) -> None:
        if self.task not in TARGETS:
            raise ModelError(f"no head for {self.task!r}; there are heads for {', '.join(TARGETS)}")
        object.__setattr__(self, "classes", tuple(self.classes) or CLASSES.get(self.task, ()))
        if self.frame_rate is None:
            object.__setattr__(self, "frame_rate", FRAME_RATES.get(self.task))
        self._check()

    def _check(self) -> None:
        def refuse(field: str, allowed: str) -> ModelError:
            return ModelError(f"{self.task} head: {field} is {allowed}, not {getattr(self, field)!r}")

        number = isinstance(self.states, int) and not isinstance(self.states, bool)
        if not (self.states in get_args(States) or (number and cast(int, self.states) >= 0)):
            raise refuse("states", f"{', '.join(get_args(States))} or the number of a state from 0")
        if self.upsampling not in get_args(Upsampling):
            raise refuse("upsampling", ", ".join(get_args(Upsampling)))
        if self.frame_rate is not None and not 0 < self.frame_rate < float("inf"):
            raise refuse("frame_rate", "a number above 0")
        if self.hidden is not None and self.hidden < 1:
            raise refuse("hidden", "a width from 1, or None for a linear head")
        if not 0 <= self.dropout < 1:
            raise refuse("dropout", "a share from 0 to below 1")
        named = self.task not in ("beats", "chord-parts")
        if named != bool(self.classes):
            raise refuse("classes", "the names of what it tells apart" if named else "empty: its outputs are fixed")
        if len(set(self.classes)) < len(self.classes):
            raise ModelError(f"{self.task} head: a class is named twice in {', '.join(self.classes)}")

    @property
    def outputs(self) -> dict[str, int]:
        """Name of each output → how many logits it has a frame. Those of "beats" are beat, downbeat."""
        if self.task == "beats":
            return {"beats": 2}
        if self.task == "chord-parts":
            return dict(PARTS)
        if self.task == "sections":
            return {"boundaries": 1, "labels": len(self.classes)}
        return {self.task: len(self.classes)}

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**dataclasses.asdict(self), "classes": list(self.classes)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> HeadSpec:
        """What `as_dict` gave; only the task has to be in it.

        Raises:
            ModelError: no specification of a head.
        """
        unknown = values.keys() - {field.name for field in dataclasses.fields(cls)}
        if unknown or "task" not in values:
            raise ModelError(f"no specification of a head: {dict(values)!r} has {unknown or 'no task'}")
        return cls(**{**values, "classes": tuple(values.get("classes", ()))})


class FrameHead(nn.Module):
    """All hidden states of an encoder → logits of one task.

    Args:
        spec: of the head.
        dim: size D of the states.
        states: how many there are.
        token_rate: of the encoder, in Hz.

    Raises:
        ModelError: the encoder has no such state, or no whole number of learned frames fits a token.

    >>> head = FrameHead(HeadSpec("sections"), dim=32, states=3, token_rate=25.0)
    >>> logits = head([torch.randn(2, 600, 32)] * 3)  # 24 s
    >>> {name: tuple(tensor.shape) for name, tensor in logits.items()}
    {'boundaries': (2, 192, 1), 'labels': (2, 192, 7)}
    """

    def __init__(self, spec: HeadSpec, dim: int, states: int, token_rate: float) -> None:
        super().__init__()
        if isinstance(spec.states, int) and spec.states >= states:
            raise ModelError(f"{spec.task} head: there are states 0 to {states - 1}, and no state {spec.states}")
        self.spec, self.token_rate = spec, token_rate
        self.per_token = _per_token(spec, token_rate)
        if spec.states == "weighted":
            self.weights = nn.Parameter(torch.zeros(states))
        elif spec.states == "concat":
            self.reduce = nn.Linear(states * dim, dim)
        outputs = self.per_token * sum(spec.outputs.values())
        self.mlp: nn.Module
        if spec.hidden is None:
            self.mlp = nn.Linear(dim, outputs)
        else:
            self.mlp = nn.Sequential(
                nn.Linear(dim, spec.hidden), nn.ReLU(), nn.Dropout(spec.dropout), nn.Linear(spec.hidden, outputs)
            )

    def frames(self, tokens: int) -> int:
        """How many outputs there are of so many tokens; 1 for a vector a window.

        >>> FrameHead(HeadSpec("key"), dim=8, states=1, token_rate=25.0).frames(300)
        6
        """
        if self.spec.frame_rate is None:
            return 1
        return max(1, round(tokens / self.token_rate * self.spec.frame_rate))

    def forward(self, states: Sequence[Tensor]) -> dict[str, Tensor]:
        """States `(B, L, D)` each → logits by name of the output, `(B, frames, n)`; `(B, n)` without a frame rate."""
        x = self.mixed(states)
        if self.per_token == 1:
            logits = self.mlp(pool(x, self.frames(x.shape[1])))
        else:
            logits = self.mlp(x).unflatten(2, (self.per_token, -1)).flatten(1, 2)  # (B, L r, n)
        if self.spec.frame_rate is None:
            logits = logits.squeeze(1)
        sizes = self.spec.outputs
        return dict(zip(sizes, logits.split(list(sizes.values()), dim=-1), strict=True))

    def mixed(self, states: Sequence[Tensor]) -> Tensor:
        """The one sequence `(B, L, D)` that the head hears, of all states."""
        if self.spec.states == "weighted":
            total = torch.zeros_like(states[0], dtype=torch.float32)
            for share, state in zip(self.weights.softmax(0), states, strict=True):
                total = total + share * state.float()
            return total
        if self.spec.states == "concat":
            return self.reduce(torch.cat([state.float() for state in states], dim=-1))
        return states[-1 if self.spec.states == "last" else self.spec.states].float()


def pool(x: Tensor, frames: int) -> Tensor:
    """`(B, L, D)` → `(B, frames, D)`: bin i is the mean of floor(i L / frames) .. ceil((i + 1) L / frames) - 1.

    To a lower rate it averages, to a multiple of the rate it repeats; as `ohrwurm.analysis.targets.pooled`.

    >>> pool(torch.tensor([[[1.0], [2.0], [3.0], [6.0]]]), 2).flatten().tolist()
    [1.5, 4.5]
    """
    if frames == x.shape[1]:
        return x
    return nn.functional.adaptive_avg_pool1d(x.transpose(1, 2), frames).transpose(1, 2)


def _per_token(spec: HeadSpec, token_rate: float) -> int:
    """How many frames the head itself gives a token; 1 where averaging or repeating makes the rate."""
    if spec.upsampling == "repeat" or spec.frame_rate is None or spec.frame_rate <= token_rate:
        return 1
    ratio = spec.frame_rate / token_rate
    if abs(ratio - round(ratio)) > 1e-6:
        raise ModelError(
            f"{spec.task} head: {spec.frame_rate:g} frames of {token_rate:g} tokens a second are {ratio:g} a token, no "
            "whole number to learn. Take upsampling='repeat', or a frame_rate that is a multiple of the tokens'."
        )
    return round(ratio)
