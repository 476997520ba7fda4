"""Little clips with exact annotations: broken triads under clicks, a chord a bar, all of one key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.events import KEYS, TONICS

RATE, SECONDS = 24000, 10.0


def compose(folder: Path, count: int = 22) -> Path:
    """The manifest of `count` clips: I IV V I in a random major or minor key, four clicks a bar, the first one low."""
    tracks = []
    for number in range(count):
        draw = np.random.default_rng(number)
        key, beat = int(draw.integers(24)), float(draw.uniform(0.4, 0.6))
        t = np.arange(round(SECONDS * RATE)) / RATE
        x = 0.003 * draw.standard_normal(len(t))
        beats, chords = [], []
        begin = float(draw.uniform(0, beat))
        for bar in range(int((SECONDS - begin) / (4 * beat))):
            start, end = begin + 4 * beat * bar, begin + 4 * beat * (bar + 1)
            root, minor = (key % 12 + (0, 5, 7, 0)[bar % 4]) % 12, key >= 12
            chords.append((start, end, f"{TONICS[root]}:{'min' if minor else 'maj'}"))
            inside = (t >= start) & (t < end)
            for tone in (0, 3 if minor else 4, 7):
                for c in (60, 72):
                    pitch = 440 * 2 ** ((c - 69 + (root + tone) % 12) / 12)
                    x[inside] += 0.05 * np.sin(2 * np.pi * pitch * t[inside])
            for place in range(4):
                at = start + place * beat
                beats.append((at, place + 1))
                since = t - at
                click = np.where(since >= 0, np.exp(-np.clip(since, 0, 1) * 60), 0)
                x += 0.4 * click * np.sin(2 * np.pi * (300 if place == 0 else 3000) * since)
        name = f"clip{number:02d}"
        soundfile.write(folder / f"{name}.flac", x.clip(-1, 1), RATE)
        (folder / f"{name}.beats").write_text("".join(f"{at:.4f}\t{place}\n" for at, place in beats))
        (folder / f"{name}.lab").write_text("".join(f"{a:.4f}\t{b:.4f}\t{label}\n" for a, b, label in chords))
        annotations = {"beats": f"{name}.beats", "chords": f"{name}.lab", "key": KEYS[key]}
        tags = ("minor",) if key >= 12 else ("major",)
        split = "validation" if number < 4 else "test" if number < 8 else "train"
        tracks.append(Track(name, str(folder / f"{name}.flac"), split, tags, annotations=annotations))
    Manifest(tracks).write(folder / "manifest.csv")
    return folder / "manifest.csv"
