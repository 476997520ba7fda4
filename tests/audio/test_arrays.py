"""Audio kept as NumPy arrays: the same vectors as from a file, any form of samples, nothing unpickled."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ohrwurm.audio.arrays import ArrayReader
from ohrwurm.embedding import embed
from ohrwurm.errors import AudioError
from ohrwurm.models import registry

MODEL = registry.load("mel-statistics", window=1.0, hop=1.0, minimum=0.5)


@pytest.fixture
def sound() -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, 20000).astype(np.float32)


def test_an_array_gives_the_vector_of_the_file(tmp_path: Path, sound: np.ndarray) -> None:
    for rate in (16000, 11025):  # as it is, and resampled
        soundfile.write(tmp_path / "a.wav", sound, rate, subtype="FLOAT")
        np.save(tmp_path / "a.npy", sound)
        expected = embed(tmp_path / "a.wav", MODEL)
        (found,) = embed([tmp_path / "a.npy"], MODEL, sample_rates={str(tmp_path / "a.npy"): rate})
        assert not isinstance(found, AudioError)
        np.testing.assert_array_equal(found.windows, expected.windows)
        assert found.duration == expected.duration
        assert "decoder:numpy" in found.flags


def test_integers_and_channels(tmp_path: Path, sound: np.ndarray) -> None:
    np.save(tmp_path / "i.npy", (np.stack([sound, -sound, sound]) * 32768).astype(np.int16))
    reader = ArrayReader(tmp_path / "i.npy", 16000)
    assert (reader.info.channels, reader.info.samples, reader.info.codec) == (3, 20000, "int16")
    pieces = np.concatenate(list(reader.blocks(3000, 100, 19001)), axis=1)
    np.testing.assert_allclose(pieces.mean(0), sound[100:19001] / 3, atol=1e-4)


def test_an_array_longer_than_a_block_is_read_in_blocks(tmp_path: Path) -> None:
    long = np.random.default_rng(1).uniform(-0.5, 0.5, 16000 * 6).astype(np.float32)
    np.save(tmp_path / "long.npy", long)
    soundfile.write(tmp_path / "long.wav", long, 16000, subtype="FLOAT")
    found = embed(tmp_path / "long.npy", MODEL, sample_rates={str(tmp_path / "long.npy"): 16000})
    np.testing.assert_array_equal(found.windows, embed(tmp_path / "long.wav", MODEL).windows)


def test_what_is_no_audio_is_told(tmp_path: Path, sound: np.ndarray) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    np.save(tmp_path / "good.npy", sound)
    np.save(tmp_path / "evil.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    np.save(tmp_path / "upside.npy", sound[:, None])
    np.save(tmp_path / "bits.npy", sound > 0)
    (tmp_path / "text.npy").write_text("no array")
    names = ["evil", "upside", "bits", "text", "gone", "good"]
    files = [tmp_path / f"{name}.npy" for name in names]
    made = embed(files, MODEL, sample_rates={str(f): 16000 for f in files})
    reasons = [f"{m.reason} {m.detail}" if isinstance(m, AudioError) else "" for m in made]
    for said, expected in zip(
        reasons,
        ("Python objects", "which should be (samples,)", "of bool", "unreadable", "missing", ""),
        strict=True,
    ):
        assert expected in said
    assert not (tmp_path / "ran").exists()
    (without,) = embed([tmp_path / "good.npy"], MODEL)
    assert isinstance(without, AudioError)
    assert without.detail == "a .npy file needs its rate in the manifest's sample_rate"
