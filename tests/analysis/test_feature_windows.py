"""Windows of features: those of the whole file, whatever the blocks it came in, and no more of them than a window."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from listener import RATE, listener
from numpy.typing import NDArray
from small_headed import small_encoder, small_headed

from ohrwurm.analysis.feature_windows import FeatureWindow, FrameWindows, WaveformWindows, feature_windows
from ohrwurm.models.base import AudioEncoder, Encoded, ModelCard
from ohrwurm.models.frame_heads import HeadSpec
from ohrwurm.models.headed import HeadedEncoder


def waveform(samples: int) -> NDArray[np.float32]:
    return np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)


def windows_of(model: HeadedEncoder, x: NDArray[np.float32], block: int) -> list[FeatureWindow]:
    windows = feature_windows(model)

    def all_of_them() -> Iterator[FeatureWindow]:
        for begin in range(0, len(x), block):
            yield from windows.feed(x[begin : begin + block])
        yield from windows.finish()

    with torch.inference_mode():
        return list(all_of_them())


@pytest.mark.parametrize("front_end", ["mel", "log-frequency"])
@pytest.mark.parametrize("seconds", [1.01, 2.0, 2.004, 2.02, 7.3337])
def test_windows_are_cut_from_the_features_of_the_whole_file(front_end: str, seconds: float) -> None:
    encoder = small_encoder(front_end=front_end)
    model = HeadedEncoder.around(encoder, [HeadSpec("key")], name="k", window=2.0)
    x = waveform(round(seconds * 24000))
    whole = model.features(torch.from_numpy(x)[None])
    found = windows_of(model, x, 5000)
    frames = len(x) // 240
    last = max(frames - 200, 0) // 50 * 50
    assert {round(w.start * 100) for w in found} == {*range(0, max(frames - 199, 1), 100), last}
    for window in found:
        start = round(window.start * 100)
        wanted = whole[..., start : None if window is found[-1] else start + 200]
        assert window.features.shape == wanted.shape
        torch.testing.assert_close(window.features, wanted, atol=2e-4, rtol=0)
    assert abs(max(w.start + w.valid for w in found) - seconds) < 0.01


def test_blocks_do_not_matter() -> None:
    model, x = small_headed(window=2.0), waveform(24000 * 9 + 1234)
    found = [windows_of(model, x, block) for block in (len(x), 24000, 777)]
    for other in found[1:]:
        assert [w.start for w in other] == [w.start for w in found[0]]
        assert all(torch.equal(a.features, b.features) for a, b in zip(found[0], other, strict=True))


def test_no_more_is_kept_than_a_window_takes() -> None:
    windows = feature_windows(listener(window=2.0))
    assert isinstance(windows, FrameWindows)
    for _ in range(300):
        for _ in windows.feed(waveform(RATE)):
            pass
        assert windows._kept is None or windows._kept.shape[-1] <= 450
        assert sum(map(len, windows._blocks)) <= 4 * RATE


class Plain(AudioEncoder):
    """Gives frames, and shows no features."""

    card = ModelCard("plain", "plain", RATE, 2.0, 2.0, 1, ("sound",), "", frame_rate=10.0)

    def forward(self, waveform: torch.Tensor) -> Encoded:
        frames = waveform.unflatten(1, (-1, RATE // 10)).mean(2, keepdim=True)
        return Encoded(frames.mean(1), frames)


def test_an_encoder_without_local_features_gets_windows_of_the_waveform() -> None:
    model = HeadedEncoder.around(Plain(), [HeadSpec("key")], name="p")
    assert isinstance(feature_windows(model), WaveformWindows)
    x = waveform(RATE * 5 + 800)
    found = windows_of(model, x, 3000)
    assert [w.start for w in found] == [0.0, 1.0, 2.0, 3.0, 3.1]
    for window in found:
        begin = round(window.start * RATE)
        assert window.features[0].tolist() == x[begin : begin + 2 * RATE].tolist()


def test_short_audio_is_padded_to_what_the_model_takes() -> None:
    model = listener()
    assert model.card.minimum == 0.3
    (only,) = windows_of(model, waveform(800), 800)
    assert (only.valid, only.length, only.features.shape[-1]) == (0.1, 0.3, 30)
    model.card = dataclasses.replace(model.card, minimum=None)
    (only,) = windows_of(model, waveform(800), 800)
    assert (only.valid, only.length) == (0.1, 6.0)


def test_nothing_has_no_window() -> None:
    assert windows_of(listener(), waveform(0), 100) == []
