"""Heads on hidden states: the paper's lengths, exact pooling and repetition, states as asked for."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ohrwurm.analysis.chord_classes import MAJMIN, SEVENTHS
from ohrwurm.analysis.section_classes import CLASSES as SECTION_CLASSES
from ohrwurm.analysis.targets import pooled
from ohrwurm.errors import ModelError
from ohrwurm.evaluation.metrics.key import KEYS
from ohrwurm.models.frame_heads import CLASSES, TARGETS, FrameHead, HeadSpec, Target, pool

DIM, RATE = 12, 25.0


def states(tokens: int, count: int = 3, batch: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(batch, tokens, DIM, generator=generator) for _ in range(count)]


def head(spec: HeadSpec, count: int = 3) -> FrameHead:
    torch.manual_seed(1)
    return FrameHead(spec, DIM, count, RATE).eval()


def spec_of(task: Target, **other: Any) -> HeadSpec:
    return HeadSpec(task, classes=("a", "b", "c") if task == "tags" else (), **other)


@pytest.mark.parametrize(
    "task, seconds, frames",
    [("beats", 6, 300), ("chords", 12, 192), ("chord-parts", 12, 192), ("sections", 24, 192), ("key", 12, 6)],
)
def test_frames_of_the_papers_windows(task: Target, seconds: int, frames: int) -> None:
    spec = spec_of(task)
    logits = head(spec)(states(round(seconds * RATE)))
    assert {name: tuple(x.shape) for name, x in logits.items()} == {n: (2, frames, k) for n, k in spec.outputs.items()}


def test_tags_are_one_vector_a_window_and_of_its_mean() -> None:
    linear, given = head(spec_of("tags", hidden=None, states="last")), states(727)  # 29.1 s
    logits = linear(given)["tags"]
    assert logits.shape == (2, 3)
    assert torch.allclose(logits, linear.mlp(given[-1].mean(1)), atol=1e-6)
    assert head(spec_of("tags", frame_rate=0.5))(given)["tags"].shape == (2, 15, 3)  # or a curve, if asked for


def test_shortest_windows_have_a_frame() -> None:
    for task in TARGETS:
        assert all(x.shape[:-1] in ((2, 1), (2, 2), (2,)) for x in head(spec_of(task))(states(1)).values())


def test_outputs_of_each_task() -> None:
    outputs = {task: spec_of(task).outputs for task in TARGETS}
    assert outputs == {
        "beats": {"beats": 2},
        "chords": {"chords": 25},
        "chord-parts": {"root": 13, "bass": 13, "pitches": 12},
        "sections": {"boundaries": 1, "labels": 7},
        "key": {"key": 24},
        "tags": {"tags": 3},
    }
    assert HeadSpec("chords", classes=SEVENTHS.labels).outputs == {"chords": 61}


def test_default_classes_are_those_that_decoding_and_metrics_number() -> None:
    assert {"chords": MAJMIN.labels, "sections": SECTION_CLASSES, "key": tuple(KEYS)} == CLASSES


@pytest.mark.parametrize("tokens, frames", [(300, 192), (600, 192), (150, 300), (300, 6), (7, 3), (3, 7), (5, 5)])
def test_pooling_has_the_bins_of_targets(tokens: int, frames: int) -> None:
    x = states(tokens)[0]
    ours = pool(x, frames)
    assert ours.shape == (2, frames, DIM)
    assert np.allclose(ours[1].numpy(), pooled(x[1].numpy(), frames), atol=1e-6)


def test_a_frame_hears_its_bin_and_no_more() -> None:
    x = torch.zeros(1, 300, 1)
    x[0, 3] = 1.0  # in the bins 1 (tokens 1, 2, 3) and 2 (tokens 3, 4) of 192
    assert pool(x, 192)[0, :, 0].nonzero().flatten().tolist() == [1, 2]


@pytest.mark.parametrize("hidden", [None, 16])
def test_repeating_gives_each_token_twice_exactly(hidden: int | None) -> None:
    repeats, given = head(HeadSpec("beats", hidden=hidden)), states(150)
    logits = repeats(given)["beats"]
    assert torch.equal(logits[:, 0::2], logits[:, 1::2])
    once = repeats.mlp(repeats.mixed(given))
    assert torch.allclose(logits[:, 0::2], once, atol=1e-6)
    assert not torch.allclose(logits[:, :-2:2], logits[:, 2::2])


def test_learned_upsampling_gives_frames_of_their_own_in_order() -> None:
    learned, given = head(HeadSpec("beats", upsampling="learned", hidden=None)), states(150)
    logits = learned(given)["beats"]
    assert logits.shape == (2, 300, 2)
    assert not torch.allclose(logits[:, 0::2], logits[:, 1::2])
    assert torch.equal(logits[0, 7 * 2 + 1], learned.mlp(learned.mixed(given))[0, 7, 2:])
    lower = head(HeadSpec("chords", upsampling="learned"))  # 16 Hz of 25: nothing to learn
    assert lower(given)["chords"].shape == (2, 96, 25)


def test_learned_upsampling_needs_a_whole_number_of_frames_a_token() -> None:
    with pytest.raises(ModelError, match=r"40 frames of 25 tokens a second are 1\.6 a token.*upsampling='repeat'"):
        head(HeadSpec("beats", frame_rate=40, upsampling="learned"))
    assert head(HeadSpec("beats", frame_rate=40))(states(150))["beats"].shape == (2, 240, 2)


def test_weighted_states_are_equal_at_first_and_the_softmax_later() -> None:
    weighted, given = head(HeadSpec("beats", states="weighted")), states(5)
    assert torch.allclose(weighted.mixed(given), torch.stack(given).mean(0), atol=1e-6)
    with torch.no_grad():
        weighted.weights.copy_(torch.log(torch.tensor([1.0, 2.0, 5.0])))
    assert torch.allclose(weighted.mixed(given), (given[0] + 2 * given[1] + 5 * given[2]) / 8, atol=1e-6)


def test_weights_of_states_are_learned() -> None:
    weighted = head(HeadSpec("beats"))
    weighted(states(5))["beats"].square().sum().backward()
    assert weighted.weights.grad is not None
    assert (weighted.weights.grad != 0).all()


def test_last_numbered_and_concatenated_states() -> None:
    given = states(5)
    assert torch.equal(head(HeadSpec("beats", states="last")).mixed(given), given[2])
    assert torch.equal(head(HeadSpec("beats", states=0)).mixed(given), given[0])
    concat = head(HeadSpec("beats", states="concat"))
    assert torch.equal(concat.mixed(given), concat.reduce(torch.cat(given, 2)))
    assert concat.reduce.weight.shape == (DIM, 3 * DIM)
    with pytest.raises(ModelError, match="there are states 0 to 2, and no state 3"):
        head(HeadSpec("beats", states=3))


def test_half_precision_states_are_heard_in_float32() -> None:
    given = [state.bfloat16() for state in states(5)]
    for kind in ("weighted", "concat", "last", 1):
        assert head(HeadSpec("beats", states=kind))(given)["beats"].dtype == torch.float32


def test_marbles_head_and_the_linear_one() -> None:
    marble = FrameHead(HeadSpec("chords"), 1024, 13, RATE)
    assert [type(part) for part in marble.mlp] == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    assert sum(p.numel() for p in marble.parameters()) == 13 + 1024 * 512 + 512 + 512 * 25 + 25
    linear = FrameHead(HeadSpec("chords", hidden=None, states="last"), 1024, 13, RATE)
    assert sum(p.numel() for p in linear.parameters()) == 1024 * 25 + 25


@pytest.mark.parametrize("task", TARGETS)
def test_specification_survives_json(task: Target) -> None:
    for spec in (spec_of(task), spec_of(task, states=2, hidden=None, dropout=0.0, upsampling="learned")):
        assert HeadSpec.from_dict(json.loads(json.dumps(spec.as_dict()))) == spec


@pytest.mark.parametrize(
    "values, said",
    [
        ({"task": "drums"}, "no head for 'drums'; there are heads for beats, chords"),
        ({"task": "beats", "states": "all"}, "beats head: states is weighted, last, concat or the number"),
        ({"task": "beats", "states": -1}, "not -1"),
        ({"task": "beats", "states": True}, "not True"),
        ({"task": "beats", "frame_rate": 0}, "frame_rate is a number above 0, not 0"),
        ({"task": "beats", "hidden": 0}, "hidden is a width from 1"),
        ({"task": "beats", "dropout": 1.0}, "dropout is a share"),
        ({"task": "beats", "upsampling": "none"}, "upsampling is repeat, learned, not 'none'"),
        ({"task": "beats", "classes": ["a"]}, "classes is empty: its outputs are fixed"),
        ({"task": "tags"}, "classes is the names of what it tells apart"),
        ({"task": "tags", "classes": ["a", "a"]}, "named twice"),
        ({"task": "key", "heads": 3}, r"no specification of a head.*heads"),
        ({"classes": ["a"]}, "no task"),
    ],
)
def test_specifications_that_make_no_sense_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        HeadSpec.from_dict(values)
