"""A little music with a truth: clips of four timbres and three pitch ranges, in works of several versions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from ohrwurm.data.tracks import Manifest, Track

TIMBRES = {"flute": (1.0, 0.1), "organ": (1.0, 0.8, 0.6, 0.5), "buzz": tuple(1 / h for h in range(1, 12)), "noise": ()}
RANGES = {"low": 45, "middle": 60, "high": 75}


def compose(folder: Path, works: int = 12, versions: int = 2, seconds: float = 4.0, rate: int = 16000) -> Path:
    """Write WAV files and `music.csv`: each work is a tune, its versions differ in timbre, range and tempo."""
    folder.mkdir(parents=True, exist_ok=True)
    tracks = []
    for work in range(works):
        tune = np.random.default_rng((1, work)).integers(0, 12, 16)
        for version in range(versions):
            draw = np.random.default_rng((2, work, version))
            timbre = list(TIMBRES)[(work + version) % len(TIMBRES)]
            place = list(RANGES)[(work + 2 * version) % len(RANGES)]
            audio = play(tune, TIMBRES[timbre], RANGES[place], float(draw.uniform(0.2, 0.3)), seconds, rate, draw)
            name = f"work{work:02d}-{version}.wav"
            soundfile.write(folder / name, audio, rate)
            split = "validation" if work % 4 == 3 else "train"
            caption = f"A tune played {place} by a {timbre}."
            tracks.append(Track(name, str(folder / name), split, (timbre, place), caption, f"work{work}"))
    Manifest(tracks).write(folder / "music.csv")
    return folder / "music.csv"


def play(tune, partials, base: int, length: float, seconds: float, rate: int, draw) -> np.ndarray:
    """Notes one after the other, or filtered noise where a timbre has no partials."""
    count = round(seconds * rate)
    audio = np.zeros(count)
    each = round(length * rate)
    t = np.arange(each) / rate
    envelope = np.minimum(1, t / 0.01) * np.exp(-3 * t)
    for i in range(-(-count // each)):
        frequency = 440 * 2 ** ((base + tune[i % len(tune)] - 69) / 12)
        if partials:
            note = sum(a * np.sin(2 * np.pi * frequency * (h + 1) * t) for h, a in enumerate(partials))
        else:
            note = draw.standard_normal(each)
        part = audio[i * each : (i + 1) * each]
        part += (note * envelope)[: len(part)]
    return (0.5 * audio / np.abs(audio).max() + 0.001 * draw.standard_normal(count)).astype(np.float32)
