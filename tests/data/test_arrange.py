"""Arrangements play the tune, the chords and the beats that they claim."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tunes import few_notes, jig, march, waltz

from ohrwurm.data.arrange import arrange, style_named, suitable_styles, tempo_scale_for
from ohrwurm.data.describe import _instrument_words, caption, tags_of
from ohrwurm.data.figures import DRUMS, parse
from ohrwurm.data.grid import bar_size, beat_grid, in_metre
from ohrwurm.data.harmonize import estimate_key, harmonized
from ohrwurm.data.harmony import QUALITIES, chord_tones
from ohrwurm.data.instruments import KITS, NUMBER, PROGRAMS, words
from ohrwurm.data.score import DURATION, ONSET, PITCH, Part, Score, make_notes
from ohrwurm.data.styles import STYLES
from ohrwurm.data.truth import chord_labels, note_roll, pitch_classes
from ohrwurm.errors import DataError


def made(score: Score, style: str, seed: int = 0, **fields: object) -> Score:
    return arrange(score, style, np.random.default_rng(seed), **fields)


@pytest.mark.parametrize("style", STYLES, ids=lambda s: s.name)
def test_every_style_is_well_formed(style) -> None:
    assert style.tempo[0] < style.tempo[1]
    assert 0.5 <= style.swing < 0.75
    assert set(style.kits) <= set(KITS)
    assert any(layer.role == "melody" for layer in style.layers)
    assert not set(style.genres + style.moods + style.scenes + style.features) & _instrument_words()
    for layer in style.layers:
        assert set(layer.instruments) <= set(NUMBER)
        assert layer.figures
        if layer.role in ("harmony", "bass"):
            allowed = set("xXosbf123456789.-") if layer.role == "harmony" else set("13578wa.-")
            for figure in layer.figures:
                assert set(figure) - {" "} <= allowed
                assert len(figure.split()) % (style.beats or 4) == 0
    for lines in style.drums:
        for line in lines:
            name, figure = line.split(" ", 1)
            assert name in DRUMS
            assert len(parse(figure)) % (style.beats or 4) == 0


def test_there_are_many_styles() -> None:
    assert len(STYLES) >= 25


@pytest.mark.parametrize("style", ["solo piano", "church organ", "string quartet", "techno", "reggae"])
def test_the_tune_is_there(style: str) -> None:
    """Onsets and pitch classes of the melody are those of the tune, at the tempo asked for."""
    score = march()
    out = made(score, style, transpose=2, tempo_scale=1.25)
    tune = next(p for p in out.parts if p.role == "melody").notes
    for onset, _, pitch, _ in score.melody:
        near = np.abs(tune[:, ONSET] - onset / 1.25) < 0.04
        assert ((tune[near, PITCH] - pitch - 2) % 12 == 0).any()


@pytest.mark.parametrize("style", ["solo piano", "church organ", "folk guitar", "rock", "lullaby"])
def test_accompaniment_plays_the_chords(style: str) -> None:
    out = made(march(), style, seed=1)
    for part in out.parts:
        if part.role not in ("harmony", "pad"):
            continue
        for onset, duration, pitch, _ in part.notes:
            label = chord_labels(out, np.array([onset + min(0.03, duration / 2)]))[0]
            assert int(pitch) % 12 in chord_tones(label), (onset, pitch, label)


def test_drums_fall_on_the_beats_that_are_listed() -> None:
    out = made(march(), "techno")
    kicks = next(p for p in out.parts if p.is_drum).notes
    kicks = kicks[kicks[:, PITCH] == DRUMS["kick"]]
    distance = np.abs(kicks[:, ONSET][:, None] - out.beats[None]).min(1)
    assert distance.max() < 1e-6


@pytest.mark.parametrize(("pulse", "beats"), [(1.0, 4), (2.0, 4), (0.5, 4)])
def test_the_pulse_doubles_or_halves_the_beats_not_the_tune(pulse: float, beats: int) -> None:
    score = march()
    grid = beat_grid(score, pulse)
    assert np.diff(grid.times[:-1]) == pytest.approx(np.full(len(grid.times) - 2, 0.5 / pulse))
    first = grid.times[:-1][(grid.places == 0) & (grid.times[:-1] < score.seconds)]
    assert np.diff(first) == pytest.approx(np.full(len(first) - 1, beats * 0.5 / pulse))
    assert np.isin(np.round(first, 6), np.round(score.downbeats, 6)).mean() >= (0.45 if pulse == 2 else 0.99)


def test_tempo_of_a_style_is_reached_from_far_away() -> None:
    score = march()  # 120
    for name in ("drum and bass", "ambient", "lullaby"):
        style = style_named(name)
        for seed in range(5):
            scale = tempo_scale_for(score, style, np.random.default_rng(seed))
            assert 0.6 <= scale <= 1.7
            out = made(score, name, seed, tempo_scale=scale)
            assert style.tempo[0] / 1.45 < out.tempo < style.tempo[1] * 1.45
            assert 60 / np.median(np.diff(out.beats)) == pytest.approx(out.tempo, rel=1e-3)


def test_a_march_becomes_a_waltz_and_a_waltz_a_march() -> None:
    three = in_metre(march(), 3)
    assert bar_size(three) == 3
    assert len(three.melody) == len(march().melody)
    assert three.seconds == pytest.approx(march().seconds * 1.5, rel=0.05)
    four = in_metre(waltz(), 4)
    assert bar_size(four) == 4
    assert in_metre(waltz(), 3) is not None
    assert bar_size(waltz()) == 3
    out = made(march(), "waltz")
    assert bar_size(out) == 3
    assert "three-four" in tags_of(out)
    assert np.isin(np.round(out.downbeats, 4), np.round(out.beats, 4)).all()


def test_random_styles_fit_the_metre() -> None:
    assert {s.beats for s in suitable_styles(march())} == {None}
    assert {s.beats for s in suitable_styles(waltz())} == {None, 3}
    assert bar_size(jig()) == 2


def test_harmony_for_a_tune_without_chords() -> None:
    tune = dataclasses.replace(march(), chords=(), keys=())
    assert estimate_key(tune.melody) == "G:maj"
    out = harmonized(tune)
    assert out.key == "G:maj"
    assert out.chords[-1].label == "G:maj"
    for a, b in zip(out.chords[:-1], out.chords[1:], strict=True):
        assert a.end == pytest.approx(b.start)
        assert a.label != b.label
    inside = sum(
        duration
        for onset, duration, pitch, _ in out.melody
        if int(pitch) % 12 in chord_tones(chord_labels(out, np.array([onset + 0.01]))[0])
    )
    assert inside / out.melody[:, DURATION].sum() > 0.6


def test_tags_say_what_plays_and_nothing_else() -> None:
    for seed, style in enumerate(STYLES):
        out = made(march(), style.name, seed)
        tags = set(tags_of(out))
        playing = {w for p in out.parts if not p.is_drum for w in words(p.program)}
        drums = any(p.is_drum for p in out.parts)
        said = tags & _instrument_words()
        assert said <= playing | ({"percussion", "drums"} if drums else set()), style.name
        assert ("drums" in tags, "no drums" in tags) == (drums, not drums)
    slow, fast = (dataclasses.replace(out, tempo=t) for t in (60.0, 170.0))
    assert "slow" in tags_of(slow)
    assert "fast" in tags_of(fast)
    sad = out.transposed(0)
    sad = dataclasses.replace(sad, keys=tuple(k._replace(label="A:min") for k in sad.keys), tempo=70.0)
    assert {"minor key", "melancholic"} <= set(tags_of(sad))


def test_captions_vary_and_name_only_what_plays() -> None:
    out = made(march(), "bebop", 3)
    tags = tags_of(out)
    said = [caption(tags, np.random.default_rng(i), score=out) for i in range(60)]
    assert len(set(said)) > 50
    playing = {PROGRAMS[p.program] for p in out.parts if not p.is_drum}
    for text in said:
        assert "{" not in text
        assert "  " not in text
        for name in ("violin", "harp", "organ", "trombone", "flute"):
            assert name in playing or name not in text
    assert said == [caption(tags, np.random.default_rng(i), score=out) for i in range(60)]


def test_truth_leaves_out_drums_and_what_has_died_away() -> None:
    notes = make_notes([(0.0, 4.0, 60, 90)])
    parts = (Part(NUMBER["xylophone"], False, notes), Part(0, True, make_notes([(0.0, 4.0, 40, 90)])))
    score = dataclasses.replace(few_notes(), parts=parts)
    times = np.array([0.1, 1.0])
    assert np.argwhere(note_roll(score, times)).tolist() == [[60, 0]]
    assert note_roll(score, times, ringing=False)[60].all()
    assert pitch_classes(score, times).sum() == 1
    wood = dataclasses.replace(score, parts=(Part(NUMBER["woodblock"], False, notes),))
    assert not note_roll(wood, times).any()


def test_note_roll_agrees_with_the_definition() -> None:
    rng = np.random.default_rng(0)
    notes = make_notes(
        np.column_stack([rng.uniform(0, 5, 60), rng.uniform(0.05, 1, 60), rng.integers(40, 80, 60), [90] * 60])
    )
    score = dataclasses.replace(few_notes(), parts=(Part(48, False, notes), Part(73, False, notes[::2])))
    times = np.arange(0, 6, 0.0203)
    expected = np.zeros((128, len(times)), dtype=bool)
    for onset, duration, pitch, _ in notes:
        expected[int(pitch)] |= (times >= onset) & (times < onset + duration)
    assert np.array_equal(note_roll(score, times), expected)


def test_chord_qualities_are_within_an_octave_and_start_at_the_root() -> None:
    for steps in QUALITIES.values():
        assert steps[0] == 0
        assert len(set(steps)) == len(steps)
        assert all(0 <= s < 12 for s in steps)


def test_a_score_without_a_tune_and_an_unknown_style_are_refused() -> None:
    silent = dataclasses.replace(march(), melody=make_notes())
    with pytest.raises(DataError, match="no melody"):
        made(silent, "rock")
    with pytest.raises(DataError, match="no style 'polkka'"):
        made(march(), "polkka")
