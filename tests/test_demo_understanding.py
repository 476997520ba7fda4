"""The demo's fourth part: what is heard is judged by what was rendered, kept in the collection, and searched by."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from ohrwurm.analysis.recording import Analysis
from ohrwurm.analysis.tempo import Tempo
from ohrwurm.collection import Collection, Result
from ohrwurm.demo import rendering
from ohrwurm.demo.heard_tables import print_heard, print_narrowed
from ohrwurm.demo.narrowed import WORDS, search_narrowed
from ohrwurm.demo.plan import clips
from ohrwurm.demo.rendering import Truth, audio_file
from ohrwurm.demo.run import Outcome, run
from ohrwurm.demo.tables import print_outcome
from ohrwurm.demo.understanding import (
    LISTENER,
    Compared,
    Played,
    Understanding,
    first_chords,
    played_in,
    scores,
    understand,
    why_not,
)
from ohrwurm.events import Beats, Key, Spans
from ohrwurm.models.headed import HeadedEncoder

TIMES = np.arange(0, 16, 0.5)
CHORDS = Spans(np.array([[0.0, 4], [4, 6], [6, 8], [8, 16]]), ("Eb:maj", "Eb:maj", "Bb:7", "C:min"))
PLAYED = Played(Beats(TIMES, np.arange(32) % 4 + 1), 120.0, 4, "Eb major", CHORDS)
TRUTH = Truth("clip-01", "f", "w", "A Title", "house", ("synth",), ("dance",), "Eb:maj", 120.0, 4, 16.0)
PLAIN = ("mel-statistics",)
FEW = [c for c in clips() if c.tune == "amazing-grace"]


def heard(played: Played = PLAYED, **other: object) -> Analysis:
    """What somebody who hears all of it would say, but for `other`."""
    found = Analysis(
        "a.ogg", 16.0, "m", played.beats, Tempo(played.tempo, 0.0, 1.0, 1.0), played.metre, played.chords,
        Key(played.key, 1.0),
    )  # fmt: skip
    return dataclasses.replace(found, **other)  # type: ignore[arg-type]


def compared(analysis: Analysis, played: Played = PLAYED) -> Compared:
    return Compared("clip-01", played, analysis, scores(played, analysis))


def printed(one: Compared) -> str:
    console = Console(file=io.StringIO(), width=100)
    print_heard(one, TRUTH, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_all_right_is_all_right() -> None:
    one = compared(heard())
    assert set(one.scores.values()) == {1.0}
    text = printed(one)
    assert (text.count("✓"), text.count("✗")) == (6, 0)  # tempo, metre, key, three chords
    assert "E♭ major" in text


def test_what_is_wrong_is_shown_as_wrong() -> None:
    wrong = heard(
        beats=Beats(TIMES[::2] + 0.2, np.arange(16) % 3 + 1),
        tempo=Tempo(60.0, 0.0, 1.0, 1.0),
        metre=3,
        key=Key("C minor", 1.0),
        chords=Spans(np.array([[0.0, 5], [5, 16]]), ("E:maj", "C:min")),
    )
    one = compared(wrong)
    assert one.scores["beats"] == one.scores["tempo"] == one.scores["metre"] == one.scores["key"] == 0.0
    assert one.level
    assert one.scores["key points"] == 0.3
    assert one.scores["chords"] == 0.5
    assert [(c.played, c.heard, c.right) for c in first_chords(one)] == [
        ("Eb", "E", False), ("Bb7", "Cm", False), ("Cm", "Cm", True),
    ]  # fmt: skip
    text = printed(one)
    assert (text.count("✓"), text.count("✗")) == (1, 5)
    assert "(half)" in text
    assert "(the relative key)" in text


def test_nothing_heard_is_nothing_right() -> None:
    nothing = heard(
        beats=Beats(np.zeros(0), np.zeros(0, np.int64)),
        tempo=Tempo(0.0, 0.0, 0.0, 0.0),
        metre=None,
        key=Key("N", 0.0),
        chords=Spans(np.array([[0.0, 16.0]]), ("N",)),
    )
    one = compared(nothing)
    assert set(one.scores.values()) == {0.0}
    assert printed(one).count("✗") == 6


@pytest.mark.parametrize(("bpm", "right"), [(124.7, True), (125.0, False), (115.3, True), (115.0, False)])
def test_tempo_may_be_off_by_4_percent(bpm: float, right: bool) -> None:
    assert bool(scores(PLAYED, heard(tempo=Tempo(bpm, 0.0, 1.0, 1.0)))["tempo"]) == right


def test_chance_is_what_another_clip_would_get() -> None:
    other = Played(Beats(TIMES + 0.25, np.arange(32) % 3 + 1), 90.0, 3, "C minor", Spans(np.array([[0, 16]]), ("N",)))
    both = Understanding("m", True, (compared(heard()), compared(heard(other), other)), 2)
    figures = both.figures()
    assert {one.value for one in figures.values()} == {1.0}
    assert figures["tempo within 4 %"].chance == figures["beats: F-measure within 70 ms"].chance == 0.0
    assert figures["key"].chance == pytest.approx(1 / 24)
    assert both.level == 1.0


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Two clips, indexed, not yet listened to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "SAMPLE_RATE", 16000)
        folder = tmp_path_factory.mktemp("demo") / "new"
        yield run(folder, clips=FEW, models=PLAIN, listener="no-such-model", workers=1)


def shown(outcome: Outcome) -> str:
    console = Console(file=io.StringIO(), width=100)
    print_outcome(outcome, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_without_the_model_it_is_left_out_and_said(demo: Outcome) -> None:
    assert demo.understood is None
    assert shown(demo).count("were left out: the model no-such-model is not installed.") == 1


def test_truth_is_that_of_the_rendition(demo: Outcome) -> None:
    for truth in demo.truths:
        played = played_in(demo.folder, truth)
        assert 60 / np.median(np.diff(played.beats.times)) == pytest.approx(truth.tempo, rel=0.01)
        assert played.metre == truth.metre
        assert played.chords.intervals[-1, 1] == pytest.approx(truth.seconds, abs=2.5)


def test_killed_run_goes_on_and_the_next_listens_to_nothing(demo: Outcome, headed: HeadedEncoder) -> None:
    music = Collection(demo.collection)

    def kill(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        understand(music, demo.truths, headed, workers=1, progress=kill)
    assert len(music.analyses()) == 1
    rest = understand(music, demo.truths, headed, workers=1)
    assert rest.new == 1
    again = run(demo.folder, clips=FEW, models=PLAIN, listener=headed, workers=1)
    assert again.understood is not None
    assert again.understood.new == 0
    assert [one.scores for one in again.understood.compared] == [one.scores for one in rest.compared]
    text = shown(again)
    assert "What is in the clips" in text
    assert "another clip" in text
    found = again.to_json()["understood"]
    assert [one["clip"] for one in found["clips"]] == [clip.name for clip in FEW]
    bpm = found["clips"][0]["heard"]["tempo"]
    near = music.search(like=audio_file(demo.folder, FEW[1].name), bpm=(bpm - 1, bpm + 1), model=PLAIN[0])
    assert [hit.path for hit in near] == [str(audio_file(demo.folder, FEW[0].name))]


@pytest.mark.skipif(bool(why_not(LISTENER)), reason=why_not(LISTENER))
def test_bundled_model_hears_more_than_chance(demo: Outcome) -> None:
    found = understand(Collection(demo.collection), demo.truths, workers=1)
    for name, figure in found.figures().items():
        if name.startswith(("beats:", "chords:")):
            assert figure.chance is not None
            assert figure.value > figure.chance + 0.2, name


class Analysed:
    """A collection whose tracks were heard in some key, and that ranks those that pass in the order of their names."""

    def __init__(self, folder: Path, passed: list[str]) -> None:
        self.path = folder / "collection"
        self.files = [str(audio_file(folder, name)) for name in passed]

    def tracks(self) -> list[str]:
        return self.files * 2

    def analyses(self, where: str) -> list[SimpleNamespace]:
        facts = SimpleNamespace(key="Bb minor", bpm=130.0)
        return [SimpleNamespace(path=file, analysis=facts) for file in self.files]

    def search(self, words: str = "", *, like: Path | None = None, where: str, k: int, model: str) -> list[Result]:
        assert (words == WORDS) == (model == "word-model")
        found = [Result("i", f, "", "", "", "", None, 1.0, -float(n)) for n, f in enumerate(self.files)]
        return [result for result in found if result.path != str(like)][:k]


def test_search_narrowed_by_what_was_heard_is_judged_by_what_was_played(tmp_path: Path) -> None:
    def clip(number: int, style: str, key: str, tempo: float = 120.0) -> Truth:
        return dataclasses.replace(TRUTH, clip=f"clip-0{number}", style=style, key=key, tempo=tempo)

    truths = [
        clip(1, "house", "C:maj"), clip(2, "house", "C:min"), clip(3, "rock", "C:min"), clip(4, "techno", "C:min"),
        clip(5, "trance", "C:min", 90.0),
    ]  # fmt: skip
    asked = Analysed(tmp_path, ["clip-01", "clip-02"])  # 4 was heard in major
    found = search_narrowed(asked, truths, {"words": "word-model"})  # type: ignore[arg-type]
    assert found is not None
    assert [(hit.clip, hit.right) for hit in found.hits] == [("clip-01", False), ("clip-02", True)]
    assert (found.right, found.missed, found.among) == (2, 1, 5)
    console = Console(file=io.StringIO(), width=100)
    print_narrowed(found, {truth.clip: truth for truth in truths}, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert (text.count("✓"), text.count("✗")) == (1, 1)
    assert "B♭ minor, 130 bpm" in text
    assert "not let through: 1" in text
    by_sound = search_narrowed(asked, truths, {"sound": "sound-model"})  # type: ignore[arg-type]
    assert by_sound is not None
    assert (by_sound.like, by_sound.right, [hit.right for hit in by_sound.hits]) == ("clip-02", 1, [False])
    assert search_narrowed(asked, truths[:1], {"words": "word-model"}) is None  # type: ignore[arg-type]
