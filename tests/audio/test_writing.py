"""Audio is written whole, whatever its length."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from ohrwurm.audio.writing import BLOCK, write_audio


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("samples", [1, BLOCK, 2 * BLOCK + 7])
def test_what_is_written_is_read(samples: int, channels: int) -> None:
    audio = np.random.default_rng(0).integers(-32768, 32768, (samples, channels)).astype(np.float32) / 32768
    stream = io.BytesIO()
    write_audio(stream, audio[:, 0] if channels == 1 else audio, 8000, "FLAC", "PCM_16")
    stream.seek(0)
    found, rate = soundfile.read(stream, dtype="float32", always_2d=True)
    assert rate == 8000
    np.testing.assert_array_equal(found, audio)


def test_whole_songs_can_be_coded_as_vorbis() -> None:
    """Given at once they crash libsndfile, and the process with it: hence in one of its own."""
    code = (
        "import io, numpy as np; from ohrwurm.audio.writing import write_audio\n"
        "write_audio(io.BytesIO(), np.zeros(300 * 22050, np.float32), 22050, 'OGG', 'VORBIS', 0.5)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
