"""Sections: known boundaries and labels come back; noise makes none; annotators' words are mapped or reported."""

from __future__ import annotations

import mir_eval
import numpy as np
import pytest

from ohrwurm.analysis.section_classes import CLASSES, mapped_sections, section_class, section_number
from ohrwurm.analysis.sections import Segmentation, decode_sections
from ohrwurm.analysis.targets import IGNORED, boundary_targets, label_targets
from ohrwurm.errors import DataError
from ohrwurm.events import Spans

RATE = 8.0
SONG = Spans(
    np.array([[0.0, 12.3], [12.3, 40.1], [40.1, 65.0], [65.0, 92.6], [92.6, 118.0], [118.0, 140.0]]),
    ("intro", "verse", "chorus", "verse", "verse", "outro"),
)


def heads(song: Spans, noise: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    frames = int(song.intervals[-1, 1] * RATE)
    at = np.arange(frames) / RATE
    near = np.abs(at[:, None] - song.intervals[:, 0]).min(1)
    boundary = 0.9 * np.exp(-0.5 * (near / 0.3) ** 2)
    classes = label_targets(song, section_number, frames, RATE)
    function = np.full((frames, 7), 0.05)
    function[np.arange(frames), classes] = 0.7
    return np.maximum(boundary, noise * rng.random(frames)), function + noise * rng.random(function.shape) / 2


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
def test_known_sections_are_found(noise: float) -> None:
    found = decode_sections(*heads(SONG, noise), RATE)
    assert found.labels == SONG.labels
    assert mir_eval.segment.detection(SONG.intervals, found.intervals, window=0.5)[2] == 1
    assert np.abs(found.intervals - SONG.intervals).max() < 0.13


def test_decoding_targets_gives_the_sections_back() -> None:
    frames = int(140 * RATE)
    boundary = boundary_targets(SONG.intervals[:, 0], frames, RATE)
    function = np.eye(7)[label_targets(SONG, section_number, frames, RATE)]
    found = decode_sections(boundary, function, RATE)
    assert found.labels == SONG.labels
    assert np.abs(found.intervals - SONG.intervals).max() < 0.13


def test_equal_neighbours_are_one_unless_the_boundary_is_sure() -> None:
    boundary, function = heads(SONG)
    weak = boundary.copy()
    weak[int(92 * RATE) : int(94 * RATE)] *= 0.25
    assert decode_sections(weak, function, RATE).labels == ("intro", "verse", "chorus", "verse", "outro")
    kept = decode_sections(weak, function, RATE, segmentation=Segmentation(merge_below=0.0))
    assert kept.labels == SONG.labels


@pytest.mark.parametrize("frames", [1, 2, 40, 800])
def test_silence_and_noise_are_one_section(frames: int) -> None:
    rng = np.random.default_rng(frames)
    function = np.zeros((frames, 7))
    assert len(decode_sections(np.zeros(frames), function, RATE)) == 1
    found = decode_sections(0.04 * rng.random(frames), function, RATE)
    assert found.intervals.tolist() == [[0, frames / RATE]]
    assert found.confidence is not None
    assert found.confidence[0] == pytest.approx(1 / 7)
    assert len(decode_sections(rng.random(frames), rng.random((frames, 7)), RATE)) >= 1


def test_no_frame_no_section_and_frames_must_match() -> None:
    assert len(decode_sections(np.zeros(0), np.zeros((0, 7)))) == 0
    with pytest.raises(DataError, match="frames of boundaries"):
        decode_sections(np.zeros(3), np.zeros((4, 7)))


@pytest.mark.parametrize(
    "name, words",
    [
        ("silence", "silence Silence"),
        ("verse", "verse Verse2 verse_slow pre-chorus prechorus2 rap section slowverse build dialog postverse"),
        ("chorus", "chorus CHORUS3 post-chorus chorushalf refrain theme stutter altchorus"),
        ("intro", "intro fadein opening introchorus"),
        ("bridge", "bridge transition2a"),
        ("outro", "outro coda ending out bigoutro"),
        ("inst", "break breakdown inst instrumental instchorus interlude impro solo guitarsolo"),
    ],
)
def test_words_of_annotators_are_mapped(name: str, words: str) -> None:
    assert {word: section_class(word) for word in words.split()} == dict.fromkeys(words.split(), name)
    assert name in CLASSES


def test_what_is_not_in_the_table_is_told() -> None:
    raw = Spans(np.array([[0.0, 5.0], [5.0, 9.0], [9.0, 12.0], [12.0, 12.5]]), ("gtr", "Verse", "gtr", "end"))
    found, unknown = mapped_sections(raw)
    assert found.labels == ("gtr", "verse", "gtr")
    assert unknown == {"gtr": 2}
    assert section_number("gtr") == section_number("end") == IGNORED
    misplaced, unknown = mapped_sections(Spans(np.array([[0.0, 5.0], [5.0, 9.0]]), ("end", "verse")))
    assert (len(misplaced), unknown) == (2, {"end": 1})
