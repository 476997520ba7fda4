"""From figures (see `ohrwurm.data.styles`) to notes: chord voicings, bass lines, drum patterns on a beat grid."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ohrwurm.data.grid import Grid
from ohrwurm.data.harmony import chord_tones, split_label
from ohrwurm.data.score import Span

DRUMS = {
    "kick": 36, "snare": 38, "rim": 37, "clap": 39, "hat": 42, "pedal": 44, "open": 46, "crash": 49, "ride": 51,
    "tom1": 41, "tom2": 45, "tom3": 48, "cowbell": 56, "conga": 63, "timbale": 65, "shaker": 70, "clave": 75,
}  # fmt: skip
_VELOCITY = {"X": 112, "o": 56}
_DEGREES = {"1": 0, "3": 1, "5": 2, "7": 3, "8": 12}


class Event(NamedTuple):
    """A stroke inside a figure: position in the beat and length, both in beats."""

    at: float
    length: float
    symbol: str


@functools.lru_cache(maxsize=1024)
def parse(figure: str) -> tuple[tuple[Event, ...], ...]:
    """The strokes of each beat. A stroke lasts over the ``-`` that follow it, also into the next beats.

    >>> [[tuple(e) for e in beat] for beat in parse("x-.x --")]
    [[(0.0, 0.5, 'x'), (0.75, 1.25, 'x')], []]
    """
    beats = figure.split()
    cells = [(i, j / len(beat), 1 / len(beat), symbol) for i, beat in enumerate(beats) for j, symbol in enumerate(beat)]
    strokes: list[list[Event]] = [[] for _ in beats]
    for k, (i, at, length, symbol) in enumerate(cells):
        if symbol in ".-":
            continue
        for _, _, more, following in cells[k + 1 :]:
            if following != "-":
                break
            length += more
        strokes[i].append(Event(at, length, symbol))
    return tuple(tuple(beat) for beat in strokes)


def beat_of_figure(groups: int, bar: int, place: int, size: int) -> int:
    """Which of the figure's `groups` beats is played at `place` of `bar` in bars of `size` beats."""
    if size % 3 == 0:
        if groups % 3 == 0 and groups % 4:
            return (bar * size + place) % groups
        return ((bar * size // 3 + place // 3) * 4) % groups + place % 3 if groups >= 3 else place % groups
    return (bar * size + place) % groups


def strokes(figure: str, grid: Grid, first: int, last: int, swing: float) -> Iterator[tuple[int, float, float, Event]]:
    """`(beat index, onset, end, event)` in seconds for the beats `first` to `last` of the grid."""
    groups = parse(figure)
    times, final = grid.times, len(grid.times) - 1
    bars, places = grid.bars.tolist(), grid.places.tolist()
    steps = times.tolist()
    for i in range(first, last):
        index = beat_of_figure(len(groups), bars[i], places[i], grid.beats_per_bar)
        start, length = steps[i], steps[i + 1] - steps[i]
        for event in groups[index % len(groups)]:
            end_at = event.at + event.length
            whole = int(end_at)
            j = min(i + whole, final - 1)
            end = steps[j] + swung(end_at - whole, swing) * (steps[j + 1] - steps[j])
            yield i, start + swung(event.at, swing) * length, end, event


def swung(at: float, swing: float) -> float:
    """Where the position `at` (0-1) in a beat falls when the second eighth is delayed to `swing`.

    >>> swung(0.5, 0.66), swung(0.25, 0.5)
    (0.66, 0.25)
    """
    return at * 2 * swing if at < 0.5 else swing + (at - 0.5) * 2 * (1 - swing)


@functools.lru_cache(maxsize=4096)
def voicing(label: str, low: int, voices: int) -> tuple[int, ...]:
    """Close voicing within the octave above `low`, so that successive chords move little.

    >>> voicing("C:maj", 55, 4)
    (55, 60, 64)
    """
    tones = chord_tones(label)[:voices]
    return tuple(sorted(low + (tone - low) % 12 for tone in tones))


def voice(pitches: tuple[int, ...], n: int) -> int:
    """The `n`-th tone (from 0), going on in the octaves above."""
    octave, index = divmod(n, len(pitches))
    return pitches[index] + 12 * octave


class Harmony:
    """The chord at any time, by bisection."""

    def __init__(self, chords: tuple[Span, ...]) -> None:
        self.chords = chords
        self._starts = np.array([c.start for c in chords]) if chords else np.zeros(0)

    def at(self, time: float) -> Span | None:
        """The chord sounding 20 ms after `time`; None where there is none."""
        index = int(np.searchsorted(self._starts, time + 0.02, side="right")) - 1
        if index < 0:
            return None
        chord = self.chords[index]
        return chord if chord.end > time + 0.02 and chord.label != "N" else None


def play_chords(
    figure: str,
    low: int,
    voices: int,
    harmony: Harmony,
    grid: Grid,
    first: int,
    last: int,
    swing: float,
) -> list[list[float]]:
    """Notes of an accompaniment figure: struck chords, broken chords, bass and chord."""
    rows: list[list[float]] = []
    for _, onset, end, event in strokes(figure, grid, first, last, swing):
        chord = harmony.at(onset)
        if chord is None:
            continue
        end = min(end, chord.end)
        length = end - onset
        if length < 0.02:
            continue
        pitches = voicing(chord.label, low, voices)
        symbol = event.symbol
        velocity = _VELOCITY.get(symbol, 84)
        if symbol.isdigit():
            rows.append([onset, length, voice(pitches, int(symbol) - 1), velocity])
        elif symbol in "bf":
            tones = chord_tones(chord.label)
            tone = tones[0] if symbol == "b" else tones[2 if len(tones) == 3 else -1]
            base = low - 17
            rows.append([onset, length, base + (tone - base) % 12, velocity + 4])
        else:
            spread = min(0.014, length / 20) if symbol == "s" else 0.0
            rows.extend([onset + k * spread, length - k * spread, p, velocity] for k, p in enumerate(pitches))
    return rows


def hold_chords(low: int, voices: int, harmony: Harmony, start: float, end: float) -> list[list[float]]:
    """Notes of a pad: every chord held as long as it lasts."""
    rows: list[list[float]] = []
    for chord in harmony.chords:
        onset, off = max(chord.start, start), min(chord.end, end)
        if chord.label != "N" and off - onset > 0.05:
            rows.extend([onset, off - onset, p, 76.0] for p in voicing(chord.label, low, voices))
    return rows


def play_bass(
    figure: str,
    low: int,
    harmony: Harmony,
    grid: Grid,
    first: int,
    last: int,
    swing: float,
    rng: np.random.Generator,
) -> list[list[float]]:
    """Notes of a bass figure. Walking steps (`w`) take chord or scale tones, `a` leads into the next beat's root."""
    rows: list[list[float]] = []
    previous = float(low + 7)
    for i, onset, end, event in strokes(figure, grid, first, last, swing):
        chord = harmony.at(onset)
        if chord is None:
            continue
        length = min(end, chord.end) - onset
        parts = split_label(chord.label)
        if length < 0.02 or parts is None:
            continue
        root, _, inversion = parts
        tones = chord_tones(chord.label)
        symbol = event.symbol
        if symbol == "1":
            pitch = low + (inversion - low) % 12
        elif symbol == "8":
            pitch = low + (root - low) % 12 + 12
        elif symbol in _DEGREES:
            tone = _ordered(tones)[min(_DEGREES[symbol], len(tones) - 1)]
            pitch = low + (tone - low) % 12
        elif symbol == "a":
            following = harmony.at(float(grid.times[min(i + 1, len(grid.times) - 1)])) or chord
            target = low + (chord_tones(following.label)[0] - low) % 12
            pitch = target + int(rng.choice((-1, 1, -5, 7)))
        else:
            near = [low - 2 + (t - low + 2) % 12 + 12 * k for t in tones for k in (0, 1)]
            near = [p for p in near if p != previous and abs(p - previous) <= 7] or near
            pitch = int(rng.choice(near))
        previous = float(pitch)
        rows.append([onset, length, pitch, 92.0])
    return rows


def _ordered(tones: tuple[int, ...]) -> tuple[int, ...]:
    """Chord tones upwards from the root: root, third, fifth, seventh."""
    return tuple(sorted(tones, key=lambda t: (t - tones[0]) % 12))


def play_drums(
    lines: tuple[str, ...],
    grid: Grid,
    first: int,
    last: int,
    swing: float,
) -> list[list[float]]:
    """Notes of a drum pattern; each line is the name of a drum and its figure."""
    rows: list[list[float]] = []
    for line in lines:
        name, figure = line.split(" ", 1)
        pitch = DRUMS[name]
        base = 92 if name in ("kick", "snare", "clap", "tom1") else 72
        for _, onset, _, event in strokes(figure, grid, first, last, swing):
            velocity = base + (16 if event.symbol == "X" else -28 if event.symbol == "o" else 0)
            rows.append([onset, 0.1, pitch, velocity])
    return rows
