"""The recording with a click on every beat, a higher one on downbeats: the quickest way to hear whether they are right.

Rate and channels stay; the music is a little softer, so that nothing is clipped. Audio comes and goes in blocks: three
hours need no more memory than three minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ohrwurm.analysis.recording import Analysis
from ohrwurm.atomic import replacing
from ohrwurm.audio.files import open_reader, stream
from ohrwurm.audio.writing import write_blocks
from ohrwurm.events import Beats

BEAT, DOWNBEAT = 1000.0, 1600.0  # Hz
LENGTH = 0.06  # seconds of a click, which dies away
MUSIC, CLICK = 0.7, 0.3  # of full scale; together 1
MOST = 8  # channels of FLAC; of more, their mean is heard


def click(analysis: Analysis, file: Path) -> None:
    """Write the audio of an analysis, with clicks on its beats, as 16-bit FLAC.

    Raises:
        AudioError: the audio cannot be read.
    """
    assert analysis.beats is not None
    info = open_reader(analysis.file).info
    channels = info.channels if info.channels <= MOST else 1
    with replacing(file) as temporary:
        mixed = mixed_blocks(stream(analysis.file), analysis.beats, info.sample_rate, channels)
        write_blocks(temporary, mixed, info.sample_rate, channels, "FLAC", "PCM_16")


def mixed_blocks(
    blocks: Iterator[NDArray[np.float32]], beats: Beats, sample_rate: int, channels: int
) -> Iterator[NDArray[np.float32]]:
    """Blocks `(channels, n)` of audio, as `(n, channels)` with the clicks of `beats`, of which none is at full scale.

    >>> silence = iter([np.zeros((2, 400), np.float32)] * 5)
    >>> beats = Beats(np.array([0.1]), np.array([1]))
    >>> heard = np.concatenate(list(mixed_blocks(silence, beats, 8000, 2)))
    >>> heard.shape, int(np.flatnonzero(heard[:, 0])[0])
    ((2000, 2), 801)
    """
    t = np.arange(int(LENGTH * sample_rate)) / sample_rate
    at = np.rint(beats.times * sample_rate).astype(np.int64)
    # As librosa's clicks, which come all at once: tones that die away to a thousandth.
    kinds = [
        (np.sin(2 * np.pi * frequency * t) * 2 ** (-10 * t / LENGTH), at[places])
        for frequency, places in ((BEAT, beats.positions != 1), (DOWNBEAT, beats.positions == 1))
    ]
    left = np.zeros(len(t))  # of clicks that the block before began
    start = 0
    for block in blocks:
        n = block.shape[1]
        clicks = np.concatenate([left, np.zeros(n)])
        for sound, places in kinds:
            for place in places[(places >= start) & (places < start + n)] - start:
                clicks[place : place + len(t)] += sound
        music = block.mean(0, keepdims=True) if channels == 1 else block
        yield (MUSIC * music + CLICK * np.clip(clicks[:n], -1, 1)).T.astype(np.float32)
        left, start = clicks[n:], start + n
