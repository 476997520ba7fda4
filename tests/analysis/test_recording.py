"""`ohrwurm.analyze`: known music gives known results, bad input a defined result with a remark, never a crash."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pytest
import soundfile
from listener import RATE, clicks, listener, triads

import ohrwurm
from ohrwurm.analysis.decisions import Settings
from ohrwurm.analysis.recording import TASKS, Analysis, analyze, analyze_many
from ohrwurm.errors import AudioError, ModelError
from ohrwurm.models.headed import HeadedEncoder


def understood(x: np.ndarray, **options: Any) -> Analysis:
    found = analyze(x.astype(np.float32), model=listener(), sample_rate=RATE, **options)
    assert isinstance(found, Analysis)
    return found


def words(found: Analysis) -> set[str]:
    return {remark.partition(":")[0] for remark in found.remarks}


def write(file: Path, x: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(file, x, rate, subtype="FLOAT")
    return file


# Music ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["bars", "peaks"])
def test_beats_bars_and_tempo_of_clicks(how: Any) -> None:
    times = np.arange(0.25, 29.5, 0.5)
    found = understood(clicks(times, 30.0, metre=3), beats=how)
    assert found.beats is not None
    assert found.tempo is not None
    assert mir_eval.beat.f_measure(times, found.beats.times, 0.03) == 1.0
    np.testing.assert_allclose(found.beats.downbeats, times[::3], atol=0.02)
    assert found.metre == 3
    assert abs(found.tempo.bpm - 120) < 1
    assert not words(found) & {"unclear-beat", "tempo-changes", "rubato", "unclear-metre", "no-beat"}


def test_a_tempo_that_changes_at_half() -> None:
    times = np.concatenate([np.arange(0.5, 30, 0.6), np.arange(30.5, 60, 0.4)])
    found = understood(clicks(times, 60.5))
    assert found.beats is not None
    assert mir_eval.beat.f_measure(times, found.beats.times) > 0.97
    assert "tempo-changes" in words(found)


def test_a_tempo_that_comes_and_goes() -> None:
    times = 0.5 + np.cumsum(60 / (100 * np.exp(0.3 * np.sin(np.arange(100) / 4))))
    found = understood(clicks(times, float(times[-1]) + 1), beats="peaks")
    assert "rubato" in words(found)


def test_chords_and_key() -> None:
    progression = [(0, 0), (5, 0), (7, 0), (9, 1)]  # C F G Am
    found = understood(triads(progression * 3, 2.0))
    assert found.chords is not None
    assert found.chords.labels == ("C:maj", "F:maj", "G:maj", "A:min") * 3
    np.testing.assert_allclose(found.chords.intervals[:, 0], np.arange(0, 24, 2), atol=0.2)
    assert found.chords.intervals[-1, 1] == 24.0
    assert found.key is not None
    assert found.key.label == "C major"
    assert found.keys is not None
    assert found.keys.intervals[-1, 1] == 24.0
    assert found.tags == (("loud", pytest.approx(1.0)),)


def test_sections_without_a_head_are_letters_of_what_sounds_alike() -> None:
    a, b = triads([(0, 0), (5, 0), (7, 0), (0, 0)] * 3, 2.0), triads([(1, 1), (3, 1), (8, 1), (6, 1)] * 3, 2.0)
    found = understood(np.concatenate([a, b, a]))
    assert found.sections is not None
    assert found.sections.labels == ("A", "B", "A")
    np.testing.assert_allclose(found.sections.intervals[:, 0], [0, 24, 48], atol=1.5)
    assert "sections-by-sound" in words(found)
    alone = understood(np.concatenate([a, b, a]), tasks=["sections"])
    assert alone.sections is not None
    assert alone.sections.intervals.tolist() == found.sections.intervals.tolist()
    assert (alone.beats, alone.chords, alone.key, alone.tags) == (None, None, None, None)


# Bad input ------------------------------------------------------------------------------------------------------------


def sounds(name: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    t = np.arange(RATE * 20) / RATE
    noise = rng.normal(0, 0.1, len(t))
    return {
        "silence": np.zeros(len(t)),
        "noise": noise,
        "speech": noise * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * t)) ** 2 * (np.sin(t) > -0.5),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * t),
        "5 s": triads([(0, 0), (7, 0)], 2.5),
        "0.3 s": triads([(0, 0)], 0.3),
        "a few samples": np.full(7, 0.1),
        "loud": rng.normal(0, 30, len(t)),
        "not a number": np.where(rng.random(len(t)) < 0.01, np.nan, noise),
        "half silent": np.concatenate([triads([(0, 0)], 10.0), np.zeros(RATE * 10)]),
    }[name]


EXPECTED = {
    "silence": {"silent", "no-beat", "no-chords", "no-key"},
    "noise": {"noise"},
    "speech": {"noise"},
    "tone": {"no-beat"},
    "5 s": {"short", "no-beat"},
    "0.3 s": {"short", "no-beat"},
    "a few samples": {"short", "no-beat"},
    "loud": {"noise"},
    "not a number": {"noise"},
    "half silent": {"no-beat"},
}


@pytest.mark.parametrize("model", ["listener", "headed"])
@pytest.mark.parametrize("name", list(EXPECTED))
def test_bad_input_has_a_defined_result(name: str, model: str, headed: HeadedEncoder, tmp_path: Path) -> None:
    x = sounds(name)
    found = analyze(write(tmp_path / "bad.wav", x), model=listener() if model == "listener" else headed)
    assert isinstance(found, Analysis)
    assert found.duration == pytest.approx(len(x) / RATE)
    for spans in (found.chords, found.keys, found.sections):
        assert spans is not None
        assert spans.intervals[0, 0] == 0
        assert spans.intervals[-1, 1] == found.duration
        assert (spans.intervals[1:, 0] == spans.intervals[:-1, 1]).all()
    assert found.beats is not None
    assert found.tempo is not None
    assert found.key is not None
    assert 0 <= found.tempo.confidence <= 1
    assert 0 <= found.key.confidence <= 1
    missing = EXPECTED[name] - words(found)
    if model == "headed":  # an untrained model says anything of beats
        missing &= {"silent", "noise", "short"}
    assert not missing
    if name == "silence":
        assert (len(found.beats), found.tempo.bpm, found.metre, found.tags) == (0, 0.0, None, ())
        assert (set(found.chords.labels), found.key.label, set(found.keys.labels)) == ({"N"}, "N", {"N"})  # type: ignore[union-attr]
        assert len(found.sections.labels) == 1  # type: ignore[arg-type,union-attr]
    if name == "half silent":
        assert found.chords is not None
        assert found.chords.labels[-1] == "N"
        assert found.chords.intervals[-1, 0] == pytest.approx(10, abs=0.55)


def test_one_bad_file_does_not_cost_the_others(tmp_path: Path) -> None:
    song = write(tmp_path / "song.wav", triads([(0, 0), (7, 0)] * 2, 2.0))
    (tmp_path / "text.mp3").write_text("nothing to hear")
    (tmp_path / "empty.wav").touch()
    whole = song.read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    files = [tmp_path / name for name in ("text.mp3", "song.wav", "missing.wav", "empty.wav", "cut.wav", "song.wav")]
    found = analyze(files, model=listener())
    assert [result.reason for result in found if isinstance(result, AudioError)] == ["unreadable", "missing", "empty"]
    good = [result for result in found if isinstance(result, Analysis)]
    assert [Path(result.file).name for result in good] == ["song.wav", "cut.wav", "song.wav"]
    assert "truncated" in words(good[1])
    assert good[1].duration < good[0].duration
    same(good[0], good[2])
    (alone,) = analyze_many([song], model=listener(), workers=1)
    assert isinstance(alone, Analysis)
    same(alone, good[0])


def same(a: Analysis, b: Analysis) -> None:
    for field in dataclasses.fields(Analysis):
        assert str(getattr(a, field.name)) == str(getattr(b, field.name)), field.name


def test_one_file_raises_what_is_wrong_with_it(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="missing"):
        analyze(tmp_path / "missing.wav", model=listener())


# Settings -------------------------------------------------------------------------------------------------------------


def test_only_what_is_asked_for_is_looked_for() -> None:
    x = triads([(0, 0)], 8.0)
    for task in TASKS:
        found = understood(x, tasks=[task])
        there = {name for name in ("beats", "chords", "key", "sections", "tags") if getattr(found, name) is not None}
        assert there == {task}


def test_a_task_that_is_none_or_has_no_head_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ModelError, match="'melody' is nothing to look for"):
        analyze_many(["nowhere.wav"], model=listener(), tasks=["melody"])
    model = listener()
    del model.specs["key"]
    with pytest.raises(ModelError, match="no head for key; it finds beats, chords, sections, tags"):
        analyze_many(["nowhere.wav"], model=model, tasks=["key"])
    found = analyze(np.zeros(RATE * 4, np.float32), model=model, sample_rate=RATE)
    assert isinstance(found, Analysis)
    assert found.key is None


def test_settings_reach_the_decoders() -> None:
    x = triads([(0, 0)], 8.0)
    assert understood(x, settings=Settings(tags=0)).tags == ()
    assert understood(x, settings=Settings(untold=frozenset({"loud"}))).tags == ()
    strict = Settings(doubts=dataclasses.replace(Settings().doubts, key=1.0))
    assert "unclear-key" in words(understood(x, settings=strict))


def test_analyze_is_found_at_the_top_and_names_its_model() -> None:
    assert ohrwurm.analyze is analyze
    assert understood(np.zeros(RATE * 4)).model == listener().card.provenance


# Long -----------------------------------------------------------------------------------------------------------------

LONG = """
import resource, sys
sys.path[:0] = {paths!r}
from listener import listener
from ohrwurm.analysis.recording import analyze
model = listener(window=24.0, fft=256)
for file in sys.argv[1:]:
    found = analyze(file, model=model)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, round(found.duration), len(found.beats))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_three_hours_take_little_more_memory_than_three_minutes(tmp_path: Path) -> None:
    song = triads([(0, 0), (5, 0), (7, 0), (9, 1)] * 15, 3.0)  # 3 min
    song += clicks(np.arange(0.25, 179.5, 0.5), 180.0) / 2
    short = write(tmp_path / "short.wav", song)
    with soundfile.SoundFile(tmp_path / "long.flac", "w", RATE, 1) as long:
        for _ in range(60):
            long.write(song)
    code = LONG.format(paths=[str(Path(__file__).parent), str(Path(__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-c", code, str(short), str(tmp_path / "long.flac")],
        capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    (before, three, _), (after, hours, _) = ([int(n) for n in line.split()] for line in done.stdout.splitlines())
    print(f"most memory: {before} MB for {three} s, {after} MB for {hours} s")
    assert (three, hours) == (180, 3 * 3600)
    assert after - before < 250  # the samples alone are 345 MB; of chords and beats there are 21 MB, decoded in float64
