"""What is heard of a whole recording depends on it and on the model, on nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from listener import RATE, clicks, listener
from small_headed import small_headed

import ohrwurm
from ohrwurm.analysis.hearing import Ear, Heard, heard
from ohrwurm.analysis.overlap import Overlap
from ohrwurm.errors import AudioError, ModelError
from ohrwurm.models.headed import HeadedEncoder


def same(a: Heard, b: Heard, tolerance: float = 0.0) -> None:
    assert a.probabilities.keys() == b.probabilities.keys()
    for task, outputs in a.probabilities.items():
        for name, x in outputs.items():
            np.testing.assert_allclose(x, b.probabilities[task][name], atol=tolerance, rtol=0, err_msg=f"{task} {name}")


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, 24000 * 16 + 999).astype(np.float32)


def test_the_same_whatever_the_batch_the_blocks_and_the_way_in(headed: HeadedEncoder, noise: np.ndarray,
                                                               tmp_path: Path) -> None:  # fmt: skip
    first = heard(noise, headed, sample_rate=24000)
    same(first, heard(noise, headed, sample_rate=24000, batch_size=1))
    ear = Ear(headed, batch_size=3)
    ear._batch_size = 3  # as on an accelerator
    for begin in range(0, len(noise), 7001):
        ear.feed(noise[begin : begin + 7001])
    same(first, ear.finish(), 1e-5)
    soundfile.write(tmp_path / "noise.wav", noise, 24000, subtype="FLOAT")
    from_file = heard(tmp_path / "noise.wav", headed)
    same(first, from_file)
    assert from_file.duration == first.duration == len(noise) / 24000
    assert from_file.seconds.network > 0


def test_it_is_the_centre_weighted_mean_of_the_windows(headed: HeadedEncoder, noise: np.ndarray) -> None:
    found = heard(noise, headed, sample_rate=24000).probabilities
    chords, beats = Overlap(16.0), Overlap(50.0)
    features = headed.features(torch.from_numpy(noise)[None])
    tags, seconds = np.zeros(3), 0.0
    frames = features.shape[-1]
    for start, end in ((0, 600), (300, 900), (600, 1200), (900, 1500), ((frames - 600) // 50 * 50, frames)):
        with torch.inference_mode():
            logits = headed.hear_features(features[..., start:end])
        at = start / 100
        valid = min((end - start) / 100, len(noise) / 24000 - at)
        chords.add(at, valid, logits["chords"]["chords"][0].softmax(-1).numpy())
        beats.add(at, valid, logits["beats"]["beats"][0].sigmoid().numpy())
        tags += valid * logits["tags"]["tags"][0].sigmoid().numpy()
        seconds += valid
    np.testing.assert_allclose(found["chords"]["chords"], chords.finish(), atol=1e-5)
    np.testing.assert_allclose(found["beats"]["beats"], beats.finish(), atol=1e-5)
    np.testing.assert_allclose(found["tags"]["tags"], tags / seconds, atol=1e-5)
    np.testing.assert_allclose(found["chords"]["chords"].sum(1), 1, atol=1e-5)


def test_other_tasks_change_nothing(headed: HeadedEncoder, noise: np.ndarray) -> None:
    everything = heard(noise, headed, sample_rate=24000)
    alone = heard(noise, headed, tasks=["key"], sample_rate=24000, states=True)
    assert list(alone.probabilities) == ["key"]
    np.testing.assert_array_equal(alone.probabilities["key"]["key"], everything.probabilities["key"]["key"])
    assert alone.states is not None
    assert alone.states.shape == (32, 32)


def test_what_sounds_the_same_is_heard_the_same_wherever_it_stands() -> None:
    model, times = listener(), np.arange(0.25, 29.5, 0.5)
    x = clicks(times, 30.0)
    whole = heard(x, model, sample_rate=RATE).probabilities["beats"]["beats"]
    later = heard(x[7 * RATE + 80 :], model, sample_rate=RATE).probabilities["beats"]["beats"]  # 7.01 s: between frames
    places = np.flatnonzero(whole[:, 0] > 0.5) / 50
    np.testing.assert_allclose(places, times, atol=0.011)
    kept = np.flatnonzero(later[:, 0] > 0.5) / 50 + 7.01
    np.testing.assert_allclose(kept, times[times > 7.01], atol=0.021)


@pytest.mark.parametrize("channels", [1, 2])
def test_rates_and_channels_of_a_waveform(channels: int) -> None:
    x = np.repeat(clicks(np.arange(0.5, 9.5, 0.5), 10.0)[None], channels, 0)
    two = np.repeat(x, 2, axis=1)  # at 16 kHz
    found = heard(two if channels > 1 else two[0], listener(), sample_rate=2 * RATE)
    assert found.duration == 10.0
    assert found.probabilities["beats"]["beats"].shape == (500, 2)


@pytest.mark.parametrize(
    ("waveform", "rate", "message"),
    [
        (np.zeros(100, np.float32), None, "needs its rate"),
        (np.zeros(100, np.int16), RATE, "floating point"),
        (np.zeros((100, 2), np.float32), RATE, r"\(channels, samples\)"),
        (np.zeros(0, np.float32), RATE, "no-audio"),
    ],
)
def test_a_waveform_that_cannot_be_used(waveform: np.ndarray, rate: int | None, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        heard(waveform, listener(), sample_rate=rate)


def test_a_model_that_cannot_hear_says_so(headed: HeadedEncoder) -> None:
    with pytest.raises(ModelError, match="has no heads"):
        heard(np.zeros(RATE, np.float32), ohrwurm.load("mel-statistics"), sample_rate=RATE)
    with pytest.raises(ModelError, match="no head for sections, but for beats"):
        heard(np.zeros(RATE, np.float32), listener(), tasks=["sections"], sample_rate=RATE)
    broken = small_headed()
    with torch.no_grad():
        broken.heads["key"].mlp.bias[3] = float("nan")  # type: ignore[union-attr,index,operator]
    ear = Ear(broken, ["key"])
    ear.feed(np.zeros(24000, np.float32))
    with pytest.raises(ModelError, match=r"NaN .*song\.wav"):
        ear.finish("song.wav")
