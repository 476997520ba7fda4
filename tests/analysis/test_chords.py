"""Chord labels, classes and decoding agree with mir_eval, which judges them."""

from __future__ import annotations

import mir_eval
import numpy as np
import pytest

from ohrwurm.analysis.chord_classes import (
    LARGE,
    MAJMIN,
    SEVENTHS,
    Vocabulary,
    majmin_of,
    parts_of,
    sevenths_of,
    thirds_of,
)
from ohrwurm.analysis.chords import RAW, Smoothing, decode_chord_parts, decode_chords
from ohrwurm.analysis.harte import QUALITIES, parse, spell
from ohrwurm.analysis.targets import IGNORED, label_targets
from ohrwurm.errors import DataError
from ohrwurm.events import Spans

LABELS = [
    f"{root}:{rest}"
    for root in ("C", "F#", "Bb", "Cb", "E##")
    for rest in (
        "maj", "min", "dim", "aug", "sus2", "sus4", "maj6", "min6", "7", "maj7", "min7", "minmaj7", "dim7", "hdim7",
        "9", "maj9", "min9", "11", "min11", "13", "maj13", "min13", "1", "5",
        "maj(9)", "min(*5)", "maj(*3)", "7(#9)", "sus4(b7,9)", "(1,b3,5)", "(3,5,b7)", "min(*b3,3)", "7(b5)", "maj(11)",
    )
]  # fmt: skip


@pytest.mark.parametrize("label", [*LABELS, "C", "Db/5", "A:min7/b3", "G:7/3", "N"])
def test_labels_mean_what_mir_eval_reads(label: str) -> None:
    root, tones, bass = mir_eval.chord.encode(label)
    chord = parse(label)
    if chord is None:
        assert root == -1
        return
    assert (chord.root, chord.bass) == (root, bass)
    assert sorted(chord.tones | {chord.bass}) == np.flatnonzero(tones).tolist()


@pytest.mark.parametrize("label", ["H:maj", "C:", "C:foo", "C:maj(", "", "c", "C:/3", "C:maj(14)", "N:maj", "C:maj/x"])
def test_what_is_no_chord_is_refused(label: str) -> None:
    with pytest.raises(DataError, match="Harte"):
        parse(label)


@pytest.mark.parametrize("vocabulary, compare", [(MAJMIN, mir_eval.chord.majmin), (SEVENTHS, mir_eval.chord.sevenths)])
def test_classes_are_those_that_mir_eval_compares(vocabulary: Vocabulary, compare: object) -> None:
    assert callable(compare)
    for label in [*LABELS, "N"]:
        found = vocabulary.class_of(label)
        if found == IGNORED:
            assert compare([label], ["C:maj"])[0] == -1
        else:
            assert compare([label], [vocabulary.labels[found]])[0] == 1


def test_thirds_are_those_that_mir_eval_compares() -> None:
    for one in [*LABELS[:34], "N"]:
        for other in ("C:maj", "C:min", "N"):
            same = thirds_of(one) == thirds_of(other)
            assert mir_eval.chord.thirds([one], [other])[0] == float(same)


@pytest.mark.parametrize("vocabulary, size", [(MAJMIN, 25), (SEVENTHS, 61), (LARGE, 170)])
def test_every_class_has_its_own_label(vocabulary: Vocabulary, size: int) -> None:
    assert len(vocabulary) == size == len(set(vocabulary.labels))
    assert [vocabulary.class_of(label) for label in vocabulary.labels] == list(range(size))
    mir_eval.chord.encode_many(list(vocabulary.labels))  # raises for one that it cannot spell


def test_published_order() -> None:
    assert [majmin_of(x) for x in ("C:maj", "B:maj", "C:min", "B:min", "N", "X", "C:sus4", "C:aug", "C:5")] == [
        0, 11, 12, 23, 24, -1, -1, -1, -1,
    ]  # fmt: skip
    assert sevenths_of("X") == IGNORED
    assert LARGE.class_of("X") == 169


def test_every_chord_and_inversion_is_spelled_as_mir_eval_reads_it() -> None:
    for quality, tones in QUALITIES.items():
        if quality in ("aug7", "maj11"):  # which mir_eval's syntax has, and its table has not
            continue
        for bass in tones:
            label = spell(3, quality, bass)
            assert mir_eval.chord.encode(label)[::2] == (3, bass)


SONG = Spans(
    np.array([[0, 1.5], [1.5, 3], [3, 3.5], [3.5, 6], [6, 8]]),
    ("N", "C:maj7/3", "G:7", "A:min", "Gb:hdim7/b5"),
)


def test_decoding_targets_gives_the_chords_back() -> None:
    frames = 128
    for vocabulary in (SEVENTHS, LARGE):
        classes = label_targets(SONG, vocabulary.class_of, frames, 16.0)
        x = np.full((frames, len(vocabulary)), 1e-3)
        x[np.flatnonzero(classes >= 0), classes[classes >= 0]] = 0.9
        found = decode_chords(x, 16.0, vocabulary=vocabulary)
        assert found.intervals[:4, 0].tolist() == SONG.intervals[:4, 0].tolist()
        assert found.labels[:4] == ("N", "C:maj7", "G:7", "A:min")


def test_parts_give_chords_and_their_inversions_back() -> None:
    frames = 128
    rng = np.random.default_rng(0)
    root, bass, pitch = np.full((frames, 13), 0.02), np.full((frames, 13), 0.02), np.full((frames, 12), 0.1)
    for (start, end), label in zip(SONG.intervals, SONG.labels, strict=True):
        parts = parts_of(label)
        assert parts is not None
        rows = slice(int(start * 16), int(end * 16))
        root[rows, parts[0]], bass[rows, parts[1]] = 0.8, 0.8
        pitch[rows, parts[2] > 0] = 0.85
    pitch = np.clip(pitch + rng.normal(0, 0.1, pitch.shape), 0, 1)
    found = decode_chord_parts(root, bass, pitch, 16.0)
    assert found.labels == SONG.labels
    assert found.intervals.tolist() == SONG.intervals.tolist()
    assert found.confidence is not None
    assert found.confidence.min() > 0.5


def test_tones_that_are_no_chord_are_unknown() -> None:
    root, bass, pitch = np.full((32, 13), 0.01), np.full((32, 13), 0.01), np.full((32, 12), 0.05)
    root[:, 2] = bass[:, 2] = 0.9
    pitch[:, [2, 3, 4, 5]] = 0.95
    assert decode_chord_parts(root, bass, pitch).labels == ("X",)
    assert decode_chord_parts(root, bass, pitch, vocabulary=MAJMIN).labels[0].startswith("D")


def test_short_chords_give_way_and_raw_frames_do_not() -> None:
    x = np.full((64, 25), 0.02)
    x[:, 0] = 0.5
    x[30:32, 5] = 0.6
    assert decode_chords(x, 16.0).labels == ("C:maj",)
    assert decode_chords(x, 16.0, smoothing=RAW).labels == ("C:maj", "F:maj", "C:maj")
    assert decode_chords(x, 16.0, smoothing=Smoothing(0.1, 0.125)).labels == ("C:maj",)


def test_silence_and_any_length_have_a_result() -> None:
    nothing = decode_chords(np.zeros((0, 25)))
    assert (len(nothing), nothing.intervals.shape) == (0, (0, 2))
    for frames in (1, 3, 80):
        found = decode_chords(np.zeros((frames, 25)))
        assert found.intervals[-1, 1] == frames / 16
        assert found.confidence is not None
        assert found.confidence.max() == pytest.approx(1 / 25, abs=1e-5)
        assert len(decode_chord_parts(np.zeros((frames, 13)), np.zeros((frames, 13)), np.zeros((frames, 12)))) >= 1
    with pytest.raises(DataError, match="frames of roots"):
        decode_chord_parts(np.zeros((3, 13)), np.zeros((4, 13)), np.zeros((3, 12)))


@pytest.mark.slow
def test_three_hours_of_170_classes_in_bounded_memory() -> None:
    import tracemalloc

    frames, rng = 3 * 3600 * 16, np.random.default_rng(0)
    root, bass, pitch = (rng.random((frames, n), np.float32) for n in (13, 13, 12))
    decode_chord_parts(root[:100], bass[:100], pitch[:100])
    tracemalloc.start()
    found = decode_chord_parts(root, bass, pitch)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.intervals[-1, 1] == 3 * 3600
    assert peak < 500e6
