"""The audio encoder that a task trains: by card or architecture, from random or given weights, with its own card."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ohrwurm.errors import ModelError, RecipeError
from ohrwurm.models import registry
from ohrwurm.models.base import AudioEncoder, ModelCard
from ohrwurm.models.convert import read_weights


def base_card(model: str, parameters: Mapping[str, Any]) -> ModelCard:
    """The card to begin from: that of a model (a name, or a model folder), its parameters updated; or of an
    architecture, with these parameters alone.

    Raises:
        ModelError: `model` is none of these.

    >>> base_card("tune", {"width": 4}).parameters, base_card("tune-plus", {"width": 4}).parameters["links"]
    ({'width': 4}, True)
    """
    try:
        found = registry.card(model)
    except ModelError:
        of_architecture = (registry.card(name) for name in registry.names())
        template = next((card for card in of_architecture if card.architecture == model), None)
        if template is None:
            raise
        return dataclasses.replace(template, name=f"my-{model}", parameters=dict(parameters))
    return dataclasses.replace(found, parameters={**found.parameters, **parameters})


def encoder_to_train(model: str, card: ModelCard, samples: int, weights: str = "") -> AudioEncoder:
    """The model of `card`, in training mode, its card that of a model of one's own with windows of `samples`.

    Args:
        model: as `base_card` took it.
        card: what that gave.
        samples: of a window.
        weights: a checkpoint to begin from (published or of one's own), ``own`` for the weights that come with `model`
            (a model folder, or a bundled one), empty for random ones.

    Raises:
        ModelError: nothing in it learns, it cannot take `samples`, or the weights do not fit.
    """
    window = samples / card.sample_rate
    if samples != round(card.window * card.sample_rate):
        card = dataclasses.replace(card, window=window, hop=window, minimum=None)
    if weights == "own":
        encoder = registry.load(model, parameters=card.parameters, layer=card.layer)
    else:
        encoder = registry.build(card)
        if weights:
            if not Path(weights).is_file():
                raise ModelError(f"no weights at {weights}")
            read_weights(encoder, Path(weights))
    if not any(p.requires_grad for p in encoder.parameters()):
        raise ModelError(f"{card.name}: nothing in it learns; train samplecnn, a TUNe, or another network")
    with torch.inference_mode():
        encoded = encoder(torch.zeros(1, samples))  # refuses a length it cannot take, and tells the size of vectors
    frames = encoded.frames
    encoder.card = dataclasses.replace(
        card,
        dim=encoded.pooled.shape[-1],
        frame_rate=None if frames is None else frames.shape[1] / window,
        joint=False,
        good_for=("sound",),
        results=(),
        agreement={},
        weights={},
        sha256="",
        licence="your own",
        paper=after(card.paper),
        source="ohrwurm train",
    )
    return encoder.train()


def after(paper: str) -> str:
    """What the card of a model of one's own says of the paper it follows.

    >>> after("TTMR, 2023"), after("After TTMR, 2023"), after("")
    ('After TTMR, 2023', 'After TTMR, 2023', '')
    """
    return paper if not paper or paper.startswith("After ") else f"After {paper}"


def start_from_pretrained(text_encoder: Any, source: str) -> None:
    """Fill a text encoder (BERT, CLIP) with the weights of a folder or of the Hugging Face hub.

    Raises:
        RecipeError: the encoder is of another kind, or there are no such weights.
    """
    if not hasattr(text_encoder, "load_pretrained"):
        raise RecipeError(f"pretrained_text is for BERT and CLIP; {type(text_encoder).__name__} takes none")
    try:
        text_encoder.load_pretrained(source)
    except (OSError, ValueError, RuntimeError) as error:  # not there, not a model, of another size
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RecipeError(
            f"pretrained_text={source}: {reason} Give a folder with config.json and model.safetensors, allow access to "
            "the Hugging Face hub, or null to start from random weights."
        ) from error


def freeze_unused(module: torch.nn.Module, output: Tensor) -> None:
    """Take out of training what `output` does not depend on: layers past a read-out, the other half of a joint model.

    Several processes would otherwise wait for its gradients.

    >>> two = torch.nn.ModuleList([torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)])
    >>> freeze_unused(two, two[0](torch.ones(1)))
    >>> [p.requires_grad for p in two.parameters()]
    [True, True, False, False]
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    slopes = torch.autograd.grad(output.sum(), parameters, allow_unused=True)
    for parameter, slope in zip(parameters, slopes, strict=True):
        parameter.requires_grad_(slope is not None)
