"""What a rendition says about itself must be what is heard."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
from tunes import few_notes, jig, march, waltz

from ohrwurm.data.corpus import truth_of
from ohrwurm.data.instruments import PROGRAMS
from ohrwurm.data.render import Failure, RenderSpec, Rendition, render, render_many
from ohrwurm.data.score import ONSET, PITCH, Score
from ohrwurm.data.styles import STYLES
from ohrwurm.errors import DataError
from ohrwurm.events import TONICS

pytest.importorskip("tinysoundfont")
pytest.importorskip("pretty_midi")


def loudest_pitch(audio: np.ndarray, rate: int, start: float, seconds: float) -> float:
    """MIDI pitch (fractional) of the strongest of 55-1000 Hz in a stretch of audio."""
    part = audio[round(start * rate) : round((start + seconds) * rate)]
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 8 * len(part)))
    frequency = np.fft.rfftfreq(8 * len(part), 1 / rate)
    keep = (frequency > 55) & (frequency < 1000)
    return float(69 + 12 * np.log2(frequency[keep][spectrum[keep].argmax()] / 440))


def test_sounding_pitches_and_onsets_are_those_of_the_truth() -> None:
    made = render(few_notes(), seed=1, style="as-is", degrade=False)
    rate = made.sample_rate
    for onset, duration, pitch, _ in made.score.parts[0].notes:
        heard = loudest_pitch(made.audio, rate, onset + 0.1, duration - 0.15)
        assert (heard - pitch) % 12 == pytest.approx(0, abs=0.35) or (heard - pitch) % 12 == pytest.approx(12, abs=0.35)
        before = made.audio[round((onset - 0.1) * rate) : round(onset * rate)]
        after = made.audio[round(onset * rate) : round((onset + 0.1) * rate)]
        late = np.flatnonzero(np.abs(after) > 0.1 * np.abs(after).max())[0] / rate
        assert late < 0.02
        assert np.abs(before).max() < 0.2 * np.abs(after).max()
    times = np.array([0.4, 0.6, 1.2, 1.5, 2.0, 3.5])
    classes = made.pitch_classes(times)
    assert [np.flatnonzero(classes[:, i]).tolist() for i in range(6)] == [[], [0], [0], [], [4], [7]]


@pytest.mark.parametrize("seed", range(6))
def test_truth_follows_transposition_tempo_and_tuning(seed: int) -> None:
    made = render(few_notes(), seed=seed, style="as-is", transpose="random", tempo="random", degrade=True)
    original = few_notes().parts[0].notes
    notes = made.score.parts[0].notes
    assert (notes[:, PITCH] - original[:, PITCH] == made.changes["transpose"]).all()
    factor = notes[:, ONSET] / original[:, ONSET]
    assert factor == pytest.approx(1 / made.changes["tempo_factor"], rel=0.03)
    assert np.ptp(factor) < 1e-6
    for onset, duration, pitch, _ in notes:
        heard = loudest_pitch(made.audio, made.sample_rate, onset + 0.1, duration - 0.15)
        assert abs((heard - pitch + 6) % 12 - 6) < 0.5  # tuning moves by at most 40 cents


def test_chords_and_key_follow_transposition() -> None:
    plain = render(march(), seed=3, style="church organ", degrade=False)
    moved = render(march(), seed=3, style="church organ", transpose=3, degrade=False)
    assert plain.score.key == "G:maj"
    assert moved.score.key == "Bb:maj"
    for a, b in zip(plain.score.chords, moved.score.chords, strict=True):
        assert (a.start, a.end) == (b.start, b.end)
        assert (TONICS.index(b.label.split(":")[0]) - TONICS.index(a.label.split(":")[0])) % 12 == 3


def test_same_seed_same_samples_and_other_seed_other_samples() -> None:
    make = functools.partial(render, march(), seconds=5, start="random", transpose="random", tempo="random")
    first, again, other = make(seed=7), make(seed=7), make(seed=8)
    assert np.array_equal(first.audio, again.audio)
    assert first.caption == again.caption
    assert first.changes == again.changes
    assert not np.array_equal(first.audio, other.audio)


@pytest.mark.parametrize("style", [s.name for s in STYLES])
def test_every_style_sounds_and_names_its_instruments(style: str) -> None:
    score = [march(), waltz(), jig()][len(style) % 3]
    made = render(score, seed=5, style=style, tempo="random", seconds=6, degrade=False)
    assert made.audio.shape == (round(made.score.seconds * made.sample_rate),)
    assert np.isfinite(made.audio).all()
    assert np.sqrt((made.audio**2).mean()) > 0.01
    playing = {PROGRAMS[p.program] for p in made.score.parts if not p.is_drum and len(p.notes)}
    assert playing
    assert playing <= set(made.tags)
    assert ("drums" in made.tags) == any(p.is_drum for p in made.score.parts if len(p.notes))
    assert style in made.tags
    low, high = next(s.tempo for s in STYLES if s.name == style)
    assert low / 1.35 <= made.score.tempo <= high * 1.35
    gaps = np.diff(made.score.beats)
    assert 60 / np.median(gaps) == pytest.approx(made.score.tempo, rel=0.02)


def test_excerpt_of_a_rendition_is_the_same_music() -> None:
    whole = render(march(), seed=2, style="chiptune", degrade=False)
    part = render(march(), seed=2, style="chiptune", start=4.0, seconds=5.0, degrade=False)
    inside = [n for p in part.score.parts for n in p.notes[p.notes[:, ONSET] > 0.1, : PITCH + 1].tolist()]
    for onset, _, pitch in inside:
        assert any(
            np.any((np.abs(p.notes[:, ONSET] - onset - 4.0) < 0.02) & (p.notes[:, PITCH] == pitch))
            for p in whole.score.parts
        )


def _summary(rendition: Rendition) -> tuple[str, float, str]:
    return rendition.score_id, float(np.abs(rendition.audio).sum()), rendition.caption


def test_many_renditions_come_in_order_and_failures_are_listed() -> None:
    silent = Score("test/none", "test/none", "None", "test", few_notes().melody[:0])
    named = [dataclasses.replace(march(), score_id=f"test/{i}") for i in range(5)]
    plan = [RenderSpec(s, seed=i, seconds=2.0) for i, s in enumerate([*named[:3], silent, *named[3:]])]
    here = list(render_many(plan, _summary))
    assert [r.score_id if isinstance(r, Failure) else r[0] for r in here] == [s.score.score_id for s in plan]
    assert isinstance(here[3], Failure)
    assert "test/none" in here[3].reason


def test_many_processes_give_what_one_gives() -> None:
    plan = [RenderSpec(score, seed=i, seconds=2.0) for i, score in enumerate([march(), waltz(), jig()])]
    assert list(render_many(plan, truth_of, workers=2, chunk=1)) == list(render_many(plan, truth_of))


def test_a_random_start_avoids_rests() -> None:
    score = few_notes()
    late = score.warped(lambda times: times + 60.0)
    for seed in range(5):
        made = render(late, seed=seed, style="as-is", seconds=4.0, start="random", degrade=False)
        assert made.score.parts


def test_a_stretch_without_notes_is_refused() -> None:
    late = few_notes().warped(lambda times: times + 60.0)
    with pytest.raises(DataError, match="nothing sounds"):
        render(late, seed=0, style="as-is", seconds=4.0, start=10.0)


def test_a_clip_is_as_long_as_asked_whatever_the_tuning() -> None:
    for seed in range(12):
        made = render(march(), seed=seed, seconds=6.0, start="random", tempo=1.0)
        assert len(made.audio) == 6 * made.sample_rate
        assert made.score.seconds == pytest.approx(6.0)


def test_a_start_beyond_the_end_is_refused() -> None:
    with pytest.raises(DataError, match="outside"):
        render(few_notes(), seed=0, style="as-is", start=100.0)
