"""Files → vectors: what must not change them, what is flagged, what a bad file costs, how much memory it takes."""

from __future__ import annotations

import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from small import SmallConvolution
from torch import Tensor

import ohrwurm
from ohrwurm.audio import files
from ohrwurm.audio.isolation import Decoder
from ohrwurm.audio.windows import Windowing, plan, pool
from ohrwurm.embedding import FileEmbedding, embed, embed_file
from ohrwurm.errors import AudioError, CardError, ModelError
from ohrwurm.models.base import Encoded


@pytest.fixture(scope="module")
def reference(songs, model):
    return embed(songs, model)


def vectors(results) -> np.ndarray:
    return np.stack([result.vector for result in results])


def test_vector_is_the_definition(songs, model, reference):
    """Decode, resample, cut, encode one window at a time, pool: the contract in five lines, without the pipeline."""
    for path, result in zip(songs, reference, strict=True):
        waveform, _ = files.load(path, sample_rate=8000)
        windows = plan(len(waveform), Windowing(8000, 4000))
        cut = [np.pad(waveform[w.start : w.start + w.valid], (0, 8000 - w.valid)) for w in windows]
        with torch.inference_mode():
            encoded = np.concatenate([model(torch.from_numpy(c)[None]).pooled.numpy() for c in cut])
        expected = pool(encoded, np.array([w.valid for w in windows]), "mean-then-l2")
        np.testing.assert_allclose(result.vector, expected, atol=1e-5)
        np.testing.assert_allclose(result.windows, encoded, atol=1e-5)
        np.testing.assert_allclose(result.starts, [w.start / 8000 for w in windows])
        np.testing.assert_allclose(result.valid, [w.valid / 8000 for w in windows])
        info = files.probe(path)
        assert result.duration == pytest.approx(info.samples / info.sample_rate)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 64])
def test_same_vector_for_any_batch_size(songs, model, reference, batch_size):
    np.testing.assert_array_equal(vectors(embed(songs, model, batch_size=batch_size)), vectors(reference))


@pytest.mark.parametrize("workers", [2, 3])
def test_same_vector_for_any_worker_count(songs, model, reference, workers):
    found = embed(songs, model, workers=workers)
    assert [r.path for r in found] == [str(p) for p in songs]
    np.testing.assert_array_equal(vectors(found), vectors(reference))


def test_same_vector_for_any_order_and_neighbours(songs, model, reference):
    order = np.random.default_rng(3).permutation(len(songs))
    np.testing.assert_array_equal(vectors(embed([songs[i] for i in order], model)), vectors(reference)[order])
    for path, result in zip(songs, reference, strict=True):
        np.testing.assert_array_equal(embed(path, model).vector, result.vector)


def test_one_decode_feeds_models_of_other_rates_and_windows(songs, model, reference):
    other = SmallConvolution(rate=11025, seed=1, window=2.0, hop=2.0, pooling="l2-then-mean")
    with Decoder() as decoder:
        for path, alone in zip(songs, reference, strict=True):
            first, second = embed_file(path, [model, other], decoder=decoder)
            np.testing.assert_array_equal(first.vector, alone.vector)
            np.testing.assert_array_equal(second.vector, embed(path, other).vector)
            assert first.provenance != second.provenance
            assert first.timing.decode == second.timing.decode
            assert first.timing.waited > 0
            assert first.timing.model > 0


def test_vectors_are_of_unit_length(reference):
    np.testing.assert_allclose(np.linalg.norm(vectors(reference), axis=1), 1, atol=1e-6)
    assert vectors(reference).dtype == np.float32


def test_first_window_alone_where_the_card_says_so(songs):
    first = SmallConvolution(pooling="first")
    result = embed(songs[0], first)
    assert result.windows.shape == (1, 6)
    assert result.starts.tolist() == [0.0]
    assert result.duration == pytest.approx(7.3)
    np.testing.assert_allclose(result.windows[0], embed(songs[0], SmallConvolution()).windows[0], atol=1e-6)


def test_file_between_minimum_and_window_is_given_as_it_is(songs):
    encoder = SmallConvolution(window=10.0, hop=10.0, minimum=0.5)
    result = embed(songs[2], encoder)  # 4 s at the model's rate
    waveform, _ = files.load(songs[2])
    with torch.inference_mode():
        expected = encoder(torch.from_numpy(waveform)[None]).pooled[0]
    np.testing.assert_allclose(result.windows[0], expected, atol=1e-6)
    assert result.valid.tolist() == [4.0]
    assert "shorter-than-a-window" in result.flags
    assert embed(songs[1], encoder).valid[0] == pytest.approx(0.4)


def test_flags_say_what_a_listener_should_know(tmp_path, model):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "good.wav", rng.uniform(-0.5, 0.5, 24000), 8000)
    soundfile.write(tmp_path / "short.wav", rng.uniform(-0.5, 0.5, 400), 8000)
    soundfile.write(tmp_path / "silent.wav", np.zeros(24000), 8000)
    data = (tmp_path / "good.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(data[: len(data) // 2])
    flags = {name: embed(tmp_path / f"{name}.wav", model).flags for name in ("good", "short", "silent", "cut")}
    assert flags == {
        "good": ("decoder:soundfile",),
        "short": ("decoder:soundfile", "shorter-than-a-window"),
        "silent": ("decoder:soundfile", "silent"),
        "cut": ("decoder:soundfile", "truncated"),
    }


def test_one_sample_file_has_a_defined_outcome(tmp_path, model):
    soundfile.write(tmp_path / "one.wav", np.array([0.5]), 8000)
    result = embed(tmp_path / "one.wav", model)
    assert result.windows.shape == (1, 6)
    assert "shorter-than-a-window" in result.flags
    soundfile.write(tmp_path / "less.wav", np.array([0.5]), 192000)  # a 24th of a sample at the model's rate
    with pytest.raises(AudioError) as caught:
        embed(tmp_path / "less.wav", model)
    assert caught.value.reason == "no-audio"


def test_bad_file_among_many_costs_only_itself(songs, model, reference, tmp_path):
    (tmp_path / "empty.mp3").write_bytes(b"")
    (tmp_path / "text.wav").write_text("words " * 100)
    mixed = [songs[0], tmp_path / "empty.mp3", songs[1], tmp_path / "text.wav", tmp_path / "none.wav", songs[2]]
    for workers in (1, 2):
        found = embed(mixed, model, workers=workers)
        assert [getattr(f, "reason", "ok") for f in found] == ["ok", "empty", "ok", "unreadable", "missing", "ok"]
        assert all(f.path == str(p) for f, p in zip(found, mixed, strict=True))
        good = [f for f in found if isinstance(f, FileEmbedding)]
        np.testing.assert_array_equal(vectors(good), vectors(reference[:3]))
    with pytest.raises(AudioError, match="empty"):
        embed(tmp_path / "empty.mp3", model)
    assert embed([], model) == []


def test_model_at_fault_is_not_blamed_on_the_file(songs):
    class Broken(SmallConvolution):
        def forward(self, waveform: Tensor) -> Encoded:
            return Encoded(pooled=torch.full((len(waveform), 6), float("nan")))

    with pytest.raises(ModelError, match="NaN"):
        embed(songs[0], Broken())
    found = embed(songs[:2], Broken())
    assert [f.reason for f in found if isinstance(f, AudioError)] == ["model", "model"]
    for paths in (songs[0], songs):  # a promise that no file can make good ends all
        with pytest.raises(CardError, match="promises"):
            embed(paths, SmallConvolution(dim=7))


def test_model_that_stumbles_over_one_file_does_the_others(songs, reference):
    peaks = [float(abs(files.load(path, sample_rate=8000)[0]).max()) for path in songs]
    threshold = (sorted(peaks)[3] + sorted(peaks)[4]) / 2

    class Picky(SmallConvolution):
        def forward(self, waveform: Tensor) -> Encoded:
            loud = waveform.abs().amax(1, keepdim=True) > threshold
            return Encoded(super().forward(waveform).pooled.masked_fill(loud, float("inf")))

    for peak, one, known in zip(peaks, embed(songs, Picky(), workers=2), reference, strict=True):
        if peak > threshold:
            assert isinstance(one, AudioError)
            assert one.reason == "model"
        else:
            np.testing.assert_array_equal(one.vector, known.vector)


def test_by_name_through_the_package(songs):
    result = ohrwurm.embed(songs[0], "mel-statistics")
    assert result.card.name == "mel-statistics"
    assert result.vector.shape == (result.card.dim,)


MEMORY = """
import sys
import torch
from ohrwurm.embedding import embed_file
from ohrwurm.audio.isolation import Decoder
from ohrwurm.audio.child import _peak_bytes
from ohrwurm.models.registry import load
torch.set_num_threads(1)
model = load("mel-statistics")
with Decoder() as decoder:
    for path in sys.argv[1:]:
        embed_file(path, [model], decoder=decoder)
        stream = decoder.stream(sys.argv[1], (16000,))  # short; it reports the most the child ever held
        for _ in stream:
            pass
        print(_peak_bytes() // 2**20, stream.peak_bytes // 2**20)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="reads peak memory as Linux reports it")
def test_three_hours_take_no_more_memory_than_three_minutes(tmp_path):
    """44.1 kHz stereo WAV in sparse files, mel statistics. The docstring of `ohrwurm.embedding` states the peaks."""
    for name, minutes in (("minutes.wav", 3), ("hours.wav", 180)):
        size = minutes * 60 * 44100 * 4
        header = struct.pack("<IHHIIHH", 16, 1, 2, 44100, 4 * 44100, 4, 16)
        with open(tmp_path / name, "wb") as file:
            file.write(
                b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + header + b"data" + struct.pack("<I", size)
            )
            file.truncate(44 + size)
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "minutes.wav"), str(tmp_path / "hours.wav")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (here_short, child_short), (here_long, child_long) = (map(int, line.split()) for line in done.stdout.splitlines())
    print(f"peak MB: model process {here_short} -> {here_long}, decoder {child_short} -> {child_long}")
    assert here_long < here_short + 64  # the heap settles; kept small arrays made it grow by 140
    assert child_long < child_short + 20
