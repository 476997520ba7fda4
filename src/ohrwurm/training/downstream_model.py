"""The model that learns from annotated tracks: an encoder with new heads, and which of it learns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ohrwurm.errors import ModelError, RecipeError
from ohrwurm.models import registry
from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.frame_heads import TARGETS, HeadSpec
from ohrwurm.models.headed import HeadedEncoder
from ohrwurm.training.encoders import after, freeze_unused
from ohrwurm.training.lora import adapt

WINDOWS = {"beats": 6.0, "chords": 12.0, "chord-parts": 12.0, "sections": 24.0, "key": 12.0, "tags": 29.1}  # paper
TRIED = 2.0  # seconds of silence, or what the encoder needs, that show which parameters the heads depend on


def head_settings(heads: str | Sequence[str | dict[str, Any]]) -> list[dict[str, Any]]:
    """The heads asked for, each a mapping with its task.

    Raises:
        RecipeError: no head, or none of these.

    >>> head_settings("beats, key"), head_settings([{"task": "beats", "hidden": 64}])
    ([{'task': 'beats'}, {'task': 'key'}], [{'task': 'beats', 'hidden': 64}])
    """
    listed = [part.strip() for part in heads.split(",") if part.strip()] if isinstance(heads, str) else list(heads)
    found = [{"task": head} if isinstance(head, str) else dict(head) for head in listed]
    for head in found:
        if head.get("task") not in TARGETS:
            raise RecipeError(f"heads: {head.get('task')!r} is no task; there are {', '.join(TARGETS)}")
    if not found:
        raise RecipeError(f"heads: name one or more of {', '.join(TARGETS)}")
    return found


def given_encoder(model: str, weights: str, parameters: dict[str, Any] | None) -> AudioEncoder:
    """The encoder that heads go on.

    Args:
        model: a name, a model folder or a run.
        weights: ``own`` for those that come with it, a checkpoint, or ``random``.
        parameters: replace those of its card.

    Raises:
        ModelError: no such model or weights.
    """
    card = registry.card(model)
    changes: dict[str, Any] = {"parameters": {**card.parameters, **parameters}} if parameters else {}
    if weights == "random":
        return registry.build(dataclasses.replace(card, **changes, sha256=""))
    if weights != "own" and not Path(weights).is_file():
        raise ModelError(f"no weights at {weights}")
    return registry.load(model, weights=None if weights == "own" else weights, **changes)


def with_new_heads(encoder: AudioEncoder, specs: Sequence[HeadSpec], window: float, settings: Any) -> HeadedEncoder:
    """The model to train, in training mode; what it does not learn by has no gradients.

    Args:
        settings: of `DownstreamTask`.

    Raises:
        RecipeError: no layer to adapt. ModelError: an encoder without frames.
    """
    frozen = settings.train == "frozen"
    own_encoder = settings.own_encoder
    if own_encoder is None:
        own_encoder = not frozen or settings.weights == "random"
    found_at = {"model": registry.located(settings.model)}
    if settings.weights not in ("own", "random"):
        found_at["weights"] = str(Path(settings.weights).absolute())
    changes = {"description": settings.description} if settings.description else {}
    model = HeadedEncoder.around(
        encoder, list(specs), name=settings.name, window=window, own_encoder=own_encoder,
        found_at=None if own_encoder else found_at, licence="your own", source="ohrwurm train", agreement={},
        published={}, paper=after(encoder.card.paper), **changes,
    )  # fmt: skip
    if frozen:
        model.encoder.requires_grad_(False)
    elif settings.lora and not adapt(model.encoder, settings.lora, settings.lora_alpha, settings.lora_layers):
        raise RecipeError(f"lora_layers: {settings.model} has no linear layer {', '.join(settings.lora_layers)}")
    model.eval()
    card = encoder.card
    short = min(window, max(TRIED, card.minimum or card.window))
    heard = model.hear(torch.zeros(1, round(short * card.sample_rate)))
    freeze_unused(model, torch.stack([x.float().sum() for said in heard.values() for x in said.values()]))
    return model.train()


@torch.inference_mode()
def frames_of(model: HeadedEncoder) -> dict[str, int]:
    """How many frames each head gives of a window."""
    training = model.training
    model.eval()
    states = model.states(model.features(torch.zeros(1, round(model.card.window * model.card.sample_rate))))
    model.train(training)
    heads: Any = model.heads
    return {task: heads[task].frames(states[-1].shape[1]) for task in model.specs}


def states_heard(model: HeadedEncoder) -> list[int] | None:
    """The numbers of the hidden states that some head hears; None where one hears all."""
    asked = {spec.states for spec in model.specs.values()}
    if asked & {"weighted", "concat"}:
        return None
    return sorted({_count(model) - 1 if states == "last" else int(states) for states in asked})


def placed(kept: Tensor, model: HeadedEncoder) -> list[Tensor]:
    """The states that `states_heard` names, `(B, states, L, D)`, at their places among all; the others are empty."""
    numbers = states_heard(model)
    if numbers is None:
        return list(kept.unbind(1))
    states = [kept.new_zeros(0)] * _count(model)
    for number, state in zip(numbers, kept.unbind(1), strict=True):
        states[number] = state
    return states


def _count(model: HeadedEncoder) -> int:
    return max(1, len(model.encoder.layers))
