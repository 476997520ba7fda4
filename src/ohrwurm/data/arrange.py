"""Lead sheet → band: melody, chords and beats played by the instruments of a style."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ohrwurm.data.describe import caption, tags_of
from ohrwurm.data.figures import Harmony, hold_chords, play_bass, play_chords, play_drums
from ohrwurm.data.grid import Grid, bar_size, beat_grid, in_metre
from ohrwurm.data.harmonize import harmonized
from ohrwurm.data.instruments import KITS, NUMBER, melody_range
from ohrwurm.data.score import DURATION, ONSET, PITCH, VELOCITY, Notes, Part, Score, end_of, make_notes
from ohrwurm.data.styles import BY_NAME, STYLES, Layer, Style
from ohrwurm.errors import DataError

__all__ = ["arrange", "caption", "style_named", "suitable_styles", "tags_of", "tempo_scale_for"]

_SECTION_BARS = 8


def style_named(name: str) -> Style:
    """The style of that name.

    Raises:
        DataError: no such style; the message lists all.
    """
    if name not in BY_NAME:
        raise DataError(f"no style {name!r}; styles: {', '.join(BY_NAME)}")
    return BY_NAME[name]


def suitable_styles(score: Score) -> tuple[Style, ...]:
    """Styles that fit the metre of the score as it is (any style can be asked for by name: the metre is then bent)."""
    size = bar_size(score)
    return tuple(s for s in STYLES if s.beats is None or (s.beats == 3) == (size % 3 == 0))


def tempo_scale_for(score: Score, style: Style, rng: np.random.Generator) -> float:
    """A factor on the score's tempo that brings its pulse (or the double or half of it) into the style's range."""
    low, high = style.tempo
    target = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    adapted = score if style.beats is None else in_metre(score, style.beats)
    scale = target / (adapted.tempo * _pulse(adapted, target))
    return float(np.clip(scale, 0.6, 1.7))


def _pulse(score: Score, bpm: float) -> float:
    """1, 2 or 0.5: how many beats of the arrangement fall on one beat of the score for `bpm` to be near."""
    choices = (1.0, 2.0, 0.5) if bar_size(score) % 2 == 0 else (1.0, 2.0)
    return min(choices, key=lambda p: abs(np.log(bpm / (score.tempo * p))))


def arrange(
    score: Score,
    style: Style | str,
    rng: np.random.Generator,
    *,
    transpose: int = 0,
    tempo_scale: float = 1.0,
    span: tuple[float, float] | None = None,
) -> Score:
    """Play the tune in a style: a Score whose `parts` are filled, and whose beats, chords and keys are what sounds.

    A score without chords is harmonised first (`ohrwurm.data.harmonize`). Instruments, figures and small
    variations are drawn from `rng`; equal seeds give equal arrangements.

    Args:
        score: with a melody; chords and beats as known.
        style: a `Style` or its name.
        rng: the only source of randomness.
        transpose: semitones.
        tempo_scale: factor on the tempo of the tune. The beat is then counted at the original, the double or
            the half rate, whichever comes nearest to the tempo range of the style.
        span: only make notes for these seconds of the result (faster).

    Raises:
        DataError: the score has no melody, or there is no such style.
    """
    style = style_named(style) if isinstance(style, str) else style
    if not len(score.melody):
        raise DataError(f"{score.score_id}: no melody to arrange; render it as it is")
    score = dataclasses.replace(score, parts=())
    if not score.chords:
        score = harmonized(score)
    if style.beats is not None:
        score = in_metre(score, style.beats)
    score = score.transposed(transpose).stretched(1.0 / tempo_scale)
    low, high = style.tempo
    pulse = _pulse(score, float(np.sqrt(low * high)))
    grid = beat_grid(score, pulse)
    begin, end = span or (0.0, score.seconds)
    first = max(0, int(np.searchsorted(grid.times, begin, side="right")) - 1)
    last = min(len(grid.times) - 1, int(np.searchsorted(grid.times, end)))
    compound = score.metre[1] == 8 and score.metre[0] % 3 == 0 and score.metre[0] > 3
    swing = 2 / 3 if compound else style.swing
    harmony = Harmony(score.chords)
    melody = score.melody if compound else _swing_melody(score.melody, grid, style.swing)
    parts: list[Part] = []
    players: dict[str, str] = {}  # an ensemble of one instrument stays one instrument
    for layer in style.layers:
        # What is chosen once comes first, so that an excerpt has the instruments and figures of the whole.
        present = rng.random() < layer.chance
        name = _pick_instrument(layer, style, players, rng)
        figure = str(rng.choice(layer.figures))
        gain = layer.gain * float(rng.uniform(0.8, 1.2))
        silent = rng.random(int(grid.bars.max()) // _SECTION_BARS + 1) < 0.1
        octave = float(rng.random())
        detail = np.random.default_rng(int(rng.integers(2**63)))
        if not present:
            continue
        program = NUMBER[name]
        if layer.role == "melody":
            notes = _melody_part(melody, figure, program, octave)
        elif layer.role == "counter":
            span_of = melody_range(program)
            notes = make_notes(_counter_line(harmony, grid, first, last, figure, span_of, detail))
        elif layer.role == "bass":
            notes = make_notes(play_bass(figure, layer.low, harmony, grid, first, last, swing, detail))
        elif layer.role == "pad":
            notes = make_notes(hold_chords(layer.low, layer.voices, harmony, begin, end))
        else:
            notes = make_notes(play_chords(figure, layer.low, layer.voices, harmony, grid, first, last, swing))
        if layer.role != "melody" and len(style.layers) > 3:
            notes = _with_rests(notes, grid, silent)
        parts.append(Part(program, False, _humanised(notes, style.loose, detail), gain, layer.role))
    if style.drums:
        lines = style.drums[int(rng.integers(len(style.drums)))]
        kit = KITS[str(rng.choice(style.kits))]
        gain = style.drum_gain * float(rng.uniform(0.8, 1.15))
        notes = _humanised(make_notes(play_drums(lines, grid, first, last, swing)), style.loose / 2, rng)
        parts.append(Part(kit, True, notes, gain, "drums"))
    merged = _one_part_per_instrument(parts)
    keep = (grid.times[:-1] >= -1e-6) & (grid.times[:-1] < score.seconds - 1e-6)
    return dataclasses.replace(
        score,
        parts=merged,
        beats=grid.times[:-1][keep],
        downbeats=grid.times[:-1][keep & (grid.places == 0)],
        tempo=score.tempo * pulse,
        metre=score.metre if compound else (grid.beats_per_bar, 4),
        tags=style.tags,
        style=style.name,
        seconds=max(score.seconds, end_of(*(p.notes for p in merged)) if span is None else 0.0),
    )


def _pick_instrument(layer: Layer, style: Style, players: dict[str, str], rng: np.random.Generator) -> str:
    name = str(rng.choice(layer.instruments))
    solo = len({i for other in style.layers for i in other.instruments}) <= 3 and layer.role != "melody"
    if solo and players.get("melody") in layer.instruments:
        name = players["melody"]
    players.setdefault(layer.role, name)
    return name


def _one_part_per_instrument(parts: list[Part]) -> tuple[Part, ...]:
    """Parts without notes go; a pitch struck again on the same instrument ends the stroke before it."""
    kept = []
    for part in parts:
        notes = part.notes
        if not len(notes):
            continue
        order = np.lexsort((notes[:, ONSET], notes[:, PITCH]))
        ordered = notes[order].copy()
        same = ordered[1:, PITCH] == ordered[:-1, PITCH]
        room = ordered[1:, ONSET] - ordered[:-1, ONSET]
        ordered[:-1, DURATION] = np.where(
            same, np.minimum(ordered[:-1, DURATION], np.maximum(room, 0.0)), ordered[:-1, DURATION]
        )
        kept.append(dataclasses.replace(part, notes=make_notes(ordered[ordered[:, DURATION] > 0.01])))
    return tuple(kept)


def _swing_melody(melody: Notes, grid: Grid, swing: float) -> Notes:
    if swing == 0.5 or not len(melody):
        return melody

    def warp(seconds: np.ndarray) -> np.ndarray:
        position = grid.position(seconds)
        whole = np.floor(position)
        at = position - whole
        moved = np.where(at < 0.5, at * 2 * swing, swing + (at - 0.5) * 2 * (1 - swing))
        return grid.seconds(whole + moved)

    notes = melody.copy()
    notes[:, ONSET] = warp(melody[:, ONSET])
    notes[:, DURATION] = np.maximum(warp(melody[:, ONSET] + melody[:, DURATION]) - notes[:, ONSET], 0.03)
    return notes


def _melody_part(melody: Notes, figure: str, program: int, draw: float) -> Notes:
    """The tune in the range of the instrument (`draw` of 0-1 picks the octave), doubled or shortened by `figure`."""
    notes = melody.copy()
    low, high = melody_range(program)
    middle = float(np.median(notes[:, PITCH]))
    octaves = np.arange(-4, 5) * 12
    # Octaves whose median lies inside the range; one of the two nearest to its centre.
    distance = np.abs(middle + octaves - (low + high) / 2)
    best = octaves[np.argsort(distance, kind="stable")[:2]]
    near = [int(o) for o in best if low <= middle + o <= high] or [int(best[0])]
    notes[:, PITCH] += near[int(draw * len(near))]
    for _ in range(3):  # single notes that the instrument does not reach move by octaves
        notes[:, PITCH] += 12.0 * (notes[:, PITCH] < low - 5) - 12.0 * (notes[:, PITCH] > high + 7)
    notes[:, VELOCITY] = 100.0
    if figure == "staccato":
        notes[:, DURATION] = np.minimum(notes[:, DURATION] * 0.45, 0.25)
    if figure == "octaves":
        second = notes.copy()
        second[:, PITCH] += -12 if notes[:, PITCH].mean() > (low + high) / 2 else 12
        second[:, VELOCITY] = 84.0
        notes = make_notes(np.concatenate([notes, second]))
    if figure == "thirds":
        second = notes.copy()
        second[:, PITCH] -= _third_below(notes[:, PITCH])
        second[:, VELOCITY] = 80.0
        notes = make_notes(np.concatenate([notes, second]))
    return notes


def _third_below(pitches: np.ndarray) -> np.ndarray:
    """Semitones (3 or 4) from each pitch to the tone of the tune's own scale a third below."""
    used = np.bincount(pitches.astype(int) % 12, minlength=12)
    minor, major = used[(pitches.astype(int) - 3) % 12], used[(pitches.astype(int) - 4) % 12]
    return np.where(major > minor, 4, 3)


def _counter_line(
    harmony: Harmony,
    grid: Grid,
    first: int,
    last: int,
    figure: str,
    span: tuple[int, int],
    rng: np.random.Generator,
) -> list[list[float]]:
    """A second tune of chord tones: long notes (``line``) or broken chords (``arpeggio``)."""
    low = (span[0] + span[1]) // 2 - 6
    pattern = "x--- ---- x--- x---" if figure == "line" else "1-2- 3-2- 4--- 3-.."
    rows = play_chords(pattern, low, 3, harmony, grid, first, last, 0.5)
    if figure != "line":
        return rows
    line: list[list[float]] = []
    for onset in dict.fromkeys(r[0] for r in rows):
        choices = [r for r in rows if r[0] == onset]
        line.append(choices[int(rng.integers(len(choices)))])
    return line


def _with_rests(notes: Notes, grid: Grid, silent: NDArray[np.bool_]) -> Notes:
    """Without the notes in the `silent` sections of eight bars: now and then players rest."""
    if not silent.any() or not len(notes):
        return notes
    index = np.clip(np.floor(grid.position(notes[:, ONSET] + 0.03)).astype(int), 0, len(grid.bars) - 1)
    return notes[~silent[grid.bars[index] // _SECTION_BARS]]


def _humanised(notes: Notes, loose: float, rng: np.random.Generator) -> Notes:
    """Strike strengths vary; notes struck together move together by a few milliseconds."""
    if not len(notes):
        return notes
    notes = notes.copy()
    notes[:, VELOCITY] = np.clip(notes[:, VELOCITY] + rng.normal(0, 6, len(notes)), 20, 127)
    if loose > 0:
        _, group = np.unique(np.round(notes[:, ONSET], 3), return_inverse=True)
        shift = np.clip(rng.normal(0, loose, group.max() + 1), -3 * loose, 3 * loose)[group]
        moved = np.maximum(notes[:, ONSET] + shift, 0.0)
        notes[:, DURATION] = np.maximum(notes[:, DURATION] - (moved - notes[:, ONSET]), 0.02)
        notes[:, ONSET] = moved
    return make_notes(notes)
