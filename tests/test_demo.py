"""The demo: its tunes are sound, its answers are judged by what was rendered, and it runs from one end to the other."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from ohrwurm.collection import Result
from ohrwurm.data.abc import read_abc
from ohrwurm.data.arrange import style_named
from ohrwurm.demo import rendering
from ohrwurm.demo.judging import Answer, judge, summarise
from ohrwurm.demo.plan import Clip, clips
from ohrwurm.demo.questions import Kind, Question, sound_questions, text_questions, version_questions
from ohrwurm.demo.rendering import Truth, audio_file, lengthened, render_clips
from ohrwurm.demo.run import MARKER, Outcome, ask, claim, discard, run
from ohrwurm.demo.tables import print_outcome, print_question
from ohrwurm.errors import DataError

TUNES = sorted((Path(__file__).parents[1] / "src" / "ohrwurm" / "demo" / "tunes").glob("*.abc"))
FIELDS = {"X", "T", "C", "Z", "M", "L", "Q", "K"}
NOTE = re.compile(r"([_=^]*[A-Ga-g][,']*|z)(\d*)(/?)(\d*)")


def header(text: str) -> dict[str, str]:
    return {line[0]: line[2:] for line in text.splitlines() if re.match(r"[A-Z]:", line)}


def bars(text: str) -> list[Fraction]:
    """Length of every bar as a share of a full one; repeats are not played out."""
    fields = header(text)
    music = "".join(line for line in text.splitlines() if not re.match(r"[A-Z]:", line))
    music = re.sub(r'"[^"]*"', "", music)
    found = []
    for bar in re.split(r"[|:\]\[]+", music):
        rest = NOTE.sub("", bar)
        assert not rest.strip(" -"), f"not understood: {rest!r} in {bar!r}"
        lengths = [
            Fraction(int(number or 1), int(below or 2) if slash else 1) for _, number, slash, below in NOTE.findall(bar)
        ]
        if lengths:
            found.append(sum(lengths) * Fraction(fields["L"]) / Fraction(fields["M"]))
    return found


def test_there_are_tunes_enough() -> None:
    assert len(TUNES) >= 24


@pytest.mark.parametrize("path", TUNES, ids=lambda p: p.stem)
def test_bars_add_up(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert header(text).keys() >= FIELDS
    first, *middle, last = bars(text)
    assert all(length == 1 for length in middle), middle
    if first != 1:  # an upbeat, which the last bar leaves room for, so that the tune can be played round
        assert first < 1
        assert first + last == 1
    else:
        assert last == 1
    repeated = text.count(":|")
    assert len(bars(text)) * (2 if repeated else 1) >= 16


@pytest.mark.parametrize("path", TUNES, ids=lambda p: p.stem)
def test_every_tune_says_where_it_comes_from_and_that_it_is_old(path: Path) -> None:
    origin = header(path.read_text(encoding="utf-8"))["C"]
    year = re.search(r"\b1[5-9]\d\d\b", origin)
    assert year or "century" in origin
    assert year is None or int(year.group()) <= 1902


@pytest.mark.parametrize("path", TUNES, ids=lambda p: p.stem)
def test_reader_plays_the_tune_as_written(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    score = read_abc(path)
    times = 2 if ":|" in text else 1
    fields = header(text)
    quarters = float(sum(bars(text)) * Fraction(fields["M"]) * 4)
    seconds = quarters * 60 / float(fields["Q"].split("=")[1])
    assert seconds - 1e-6 <= score.seconds <= times * seconds + 1e-6
    assert score.chords
    assert score.melody[:, 2].min() >= 55
    assert score.melody[:, 2].max() <= 88


def test_no_tune_is_another_one_in_disguise() -> None:
    openings = {p.stem: tuple(np.diff(read_abc(p).melody[:16, 2]).astype(int)) for p in TUNES}
    assert [name for name, count in Counter(openings.values()).items() if count > 1] == []


def test_plan_plays_every_tune_and_names_every_file_once() -> None:
    planned = clips()
    assert [c.number for c in planned] == list(range(1, len(planned) + 1))
    assert {c.tune for c in planned} == {p.stem for p in TUNES}
    for clip in planned:
        style_named(clip.style)  # an unknown one raises
    assert 40 <= len(planned) <= 48


def test_versions_differ_in_style_key_and_tempo() -> None:
    works = Counter(c.tune for c in clips())
    several = [tune for tune, count in works.items() if count > 1]
    assert len(several) == 8
    for tune in several:
        versions = [c for c in clips() if c.tune == tune]
        for feature in ("style", "transpose", "tempo"):
            assert len({getattr(c, feature) for c in versions}) == len(versions), (tune, feature)


def test_file_names_tell_nothing() -> None:
    planned = clips()
    assert all(re.fullmatch(r"clip-\d\d", c.name) for c in planned)
    neighbours = [a for a, b in pairwise(planned) if a.tune == b.tune]
    assert neighbours == []


@pytest.mark.parametrize("tune", ["auld-lang-syne", "can-can", "fur-elise"])
def test_beat_goes_through_when_a_tune_is_played_again(tune: str) -> None:
    score = read_abc(next(p for p in TUNES if p.stem == tune))
    longer = lengthened(score, 2.2 * score.seconds, 1.0)
    assert longer.seconds == pytest.approx(2 * score.seconds)
    assert len(longer.melody) == 2 * len(score.melody)
    assert np.diff(longer.beats) == pytest.approx(np.diff(score.beats).mean(), abs=1e-6)
    assert np.diff(longer.downbeats) == pytest.approx(np.diff(score.downbeats).mean(), abs=1e-6)


def truth(clip: str, work: str = "w", style: str = "rock", instruments: tuple[str, ...] = ("piano",)) -> Truth:
    return Truth(clip, "f", work, f"Title of {work}", style, instruments, ("jazz",), "C:maj", 100.0, 4, 50.0)


def ranking(*names: str) -> list[Answer]:
    return [Answer(name, 1.0 - 0.1 * place) for place, name in enumerate(names)]


def printed(question: Question, answers: list[Answer], truths: list[Truth]) -> str:
    console = Console(file=io.StringIO(), width=100)
    print_question(judge(question, answers, len(answers)), {t.clip: t for t in truths}, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_wrong_ranking_is_shown_as_wrong() -> None:
    truths = [truth(name) for name in "abcde"]
    question = Question("words", "some rule", frozenset("ab"), text="some words")
    right = printed(question, ranking(*"abcde"), truths)
    assert (right.count("✓"), right.count("✗")) == (2, 0)
    half = printed(question, ranking(*"cabde"), truths)
    assert (half.count("✓"), half.count("✗")) == (1, 1)
    wrong = printed(question, ranking(*"cdeab"), truths)
    assert (wrong.count("✓"), wrong.count("✗")) == (0, 2)
    assert "rank 4" in wrong


def test_figures_of_a_known_ranking_and_its_chance() -> None:
    question = Question("words", "", frozenset("ab"), text="some words")
    judged = judge(question, ranking(*"cadb"), 4)
    assert judged.correct == (False, True, False, True)
    assert (judged.first, judged.found_first) == (2.0, 0.0)
    assert judged.average_precision == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert judged.chance_first == pytest.approx(2 / 4)
    best = judge(question, ranking(*"abcd"), 4)
    assert summarise([judged, best]).recall_at_1 == 0.5
    assert summarise([judged, best]).mean_average_precision == pytest.approx(0.75)


def test_equal_scores_earn_no_more_than_chance() -> None:
    question = Question("words", "", frozenset("a"), text="some words")
    judged = judge(question, [Answer(name, 0.5) for name in "abcd"], 4)
    assert judged.found_first == pytest.approx(judged.chance_first) == 0.25


@pytest.mark.parametrize("names", ["bc", "aab", "abcd"])
def test_incomplete_ranking_is_not_judged(names: str) -> None:
    with pytest.raises(DataError):
        judge(Question("words", "", frozenset("a"), text="x"), ranking(*names), 3)


def test_right_answers_follow_what_was_played() -> None:
    truths = [
        truth("a", "one", "solo piano", ("piano",)),
        truth("b", "one", "metal", ("distorted guitar", "drums")),
        truth("c", "two", "metal", ("overdriven guitar", "drums")),
        truth("d", "three", "classical guitar", ("classical guitar",)),
        truth("e", "three", "bebop", ("alto saxophone", "piano")),
    ]
    by_text = {q.text: set(q.right) for q in text_questions(truths)}
    assert by_text["solo piano"] == {"a"}
    assert by_text["rock band with distorted guitar"] == {"b"}
    assert by_text["jazz with saxophone"] == {"e"}
    assert "church organ hymn" not in by_text  # nothing could be right
    by_clip = {q.clip: set(q.right) for q in version_questions(truths)}
    assert by_clip == {"a": {"b"}, "b": {"a"}, "d": {"e"}, "e": {"d"}}
    assert [q.clip for q in version_questions(truths) if q.shown] == ["a", "d"]
    assert {q.clip: set(q.right) for q in sound_questions(truths)} == {"b": {"c"}}


class Ranked:
    """A collection that answers every question with all its clips in one fixed order, other music among them."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.path = folder / "collection"
        self.names = names

    def tracks(self) -> list[str]:
        return [*self.names, "other"]

    def _ranked(self, k: int, without: Path | None = None) -> list[Result]:
        files = [audio_file(self.path.parent, name) for name in self.names]
        files.insert(1, self.path.parent / "elsewhere" / "clip-01.ogg")
        found = [Result("i", str(f), "", "", "", "", None, 1.0, -float(place)) for place, f in enumerate(files)]
        return [r for r in found if r.path != str(without)][:k]

    def search(self, words: str = "", *, like: Path | None = None, k: int, model: str) -> list[Result]:
        assert bool(words) == (model == "word-model")
        return self._ranked(k, like)

    def versions(self, track: Path, *, k: int, model: str) -> list[Result]:
        return self._ranked(k, track)


def test_answers_of_a_bad_model_are_shown_as_wrong(tmp_path: Path) -> None:
    truths = [
        truth("clip-01", "one", "solo piano", ("piano",)),
        truth("clip-02", "one", "metal", ("distorted guitar",)),
        truth("clip-03", "two", "punk rock", ("distorted guitar",)),
        truth("clip-04", "three", "waltz", ("accordion",)),
    ]
    models: dict[Kind, str] = {"words": "word-model", "sound": "sound-model", "versions": "version-model"}

    def shown(order: list[str]) -> tuple[int, int]:
        judged = ask(Ranked(tmp_path, order), truths, models)  # type: ignore[arg-type]
        outcome = Outcome(
            tmp_path, truths, {"versions": "chroma-cross-correlation"}, judged, 0, {"render": 0, "index": 0}
        )
        outcome.models |= {"words": "mel-statistics", "sound": "mel-statistics"}
        console = Console(file=io.StringIO(), width=100)
        print_outcome(outcome, console)
        text = console.file.getvalue()  # type: ignore[attr-defined]
        assert "“solo piano”" in text
        return text.count("✓"), text.count("✗")

    # "solo piano" has one right answer, "rock band ..." two, the metal clip one alike, the tune "one" one version.
    assert shown(["clip-04", "clip-03", "clip-02", "clip-01"]) == (1, 4)
    assert shown(["clip-01", "clip-02", "clip-03", "clip-04"]) == (3, 2)


FEW = [c for c in clips() if c.tune in ("when-the-saints", "amazing-grace", "bridal-chorus")]
PLAIN = ("mel-statistics", "chroma-cross-correlation")


@pytest.fixture(scope="module")
def short() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "SAMPLE_RATE", 16000)
        yield


@pytest.fixture(scope="module")
def outcome(short: None, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run(tmp_path_factory.mktemp("demo") / "new", clips=FEW, models=PLAIN, listener=None, workers=1)


def test_short_demo_runs_through(outcome: Outcome) -> None:
    assert outcome.rendered == len(FEW) == 5
    assert outcome.models == {"sound": "mel-statistics", "versions": "chroma-cross-correlation"}
    versions = outcome.of("versions")
    assert len(versions) == 4
    for judged in versions:
        tune_of = {t.clip: t.work for t in outcome.truths}
        asked = tune_of[judged.question.clip]
        assert judged.correct == tuple(tune_of[a.clip] == asked for a in judged.answers)
        assert judged.question.clip not in {a.clip for a in judged.answers}
    console = Console(file=io.StringIO(), width=100)
    print_outcome(outcome, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Search by words was not asked" in text
    assert "rendered" in text
    shown = [j for j in outcome.judged if j.question.shown]
    assert text.count("✓") == sum(sum(j.correct[: len(j.question.right)]) for j in shown)


def test_files_tell_honestly_what_they_are(outcome: Outcome) -> None:
    from mutagen.oggvorbis import OggVorbis

    tags = OggVorbis(audio_file(outcome.folder, FEW[0].name))
    assert tags["title"] == [FEW[0].title]
    assert tags["artist"] == [FEW[0].origin]
    assert "rendered" in tags["album"][0]
    assert tags.info is not None
    assert tags.info.length == pytest.approx(outcome.truths[0].seconds, abs=0.1)


def test_second_run_renders_only_what_is_missing(outcome: Outcome, short: None) -> None:
    (outcome.folder / "truth" / f"{FEW[2].name}.json").unlink()  # as if killed between the audio and its truth
    (outcome.folder / "annotations" / f"{FEW[4].name}.json").unlink()  # as if made by an earlier version
    before = {c.name: audio_file(outcome.folder, c.name).stat().st_mtime_ns for c in FEW}
    made: list[str] = []
    truths = render_clips(FEW, outcome.folder, progress=lambda t, new: made.extend([t.clip] if new else []))
    assert made == [FEW[2].name, FEW[4].name]
    assert [dataclasses.replace(t) for t in truths] == outcome.truths
    after = {c.name: audio_file(outcome.folder, c.name).stat().st_mtime_ns for c in FEW}
    assert {name for name in before if before[name] != after[name]} == set(made)


def test_leftovers_of_other_plans_and_killed_runs_go(outcome: Outcome, short: None) -> None:
    music = outcome.folder / "music"
    for name in ("clip-99.ogg", ".clip-01.ogg.abc.tmp.ogg", "own.ogg"):
        (music / name).write_bytes(audio_file(outcome.folder, FEW[0].name).read_bytes() + name.encode())
    again = run(outcome.folder, clips=FEW[1:], models=PLAIN, listener=None, workers=1)
    left = {p.name for p in music.iterdir()}
    assert left == {f"{c.name}.ogg" for c in FEW[1:]} | {"own.ogg"}
    assert {t.clip for t in again.truths} == {c.name for c in FEW[1:]}


def test_changed_plan_is_rendered_again() -> None:
    clip = FEW[0]
    assert dataclasses.replace(clip, transpose=clip.transpose + 1).fingerprint != clip.fingerprint
    assert Clip(clip.number, clip.tune, clip.style, clip.transpose, clip.tempo).fingerprint == clip.fingerprint


def test_demo_leaves_foreign_folders_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        claim(tmp_path)
    discard(tmp_path)
    assert (tmp_path / "letter.txt").read_text() == "mine"
    own = tmp_path / "own"
    claim(own)
    (own / "music").mkdir()
    (own / "notes.txt").write_text("mine too")
    discard(own)
    assert sorted(p.name for p in own.iterdir()) == ["notes.txt"]


def test_command_prints_json_and_cleans_up(short: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ohrwurm.cli import app

    few = [c for c in FEW if c.tune == "amazing-grace"]
    monkeypatch.setattr("ohrwurm.demo.run.planned_clips", lambda: few)
    folder = tmp_path / "demo"
    args = ["demo", "--json", "--no-keep", "--dir", str(folder), "--workers", "1"]
    done = CliRunner().invoke(app, [*args, *(a for m in PLAIN for a in ("--model", m))])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["rendered"] == len(found["clips"]) == 2
    assert found["summary"]["versions"]["questions"] == 2
    assert "rendered" in found["audio"]
    assert (found["understood"] is None) == bool(found["not_understood"])
    assert not folder.exists()


def test_command_explains_a_foreign_folder(tmp_path: Path) -> None:
    from ohrwurm.cli import app

    (tmp_path / "letter.txt").write_text("mine")
    done = CliRunner().invoke(app, ["demo", "--dir", str(tmp_path)])
    assert done.exit_code == 1
    assert "--dir" in done.stderr
    assert (tmp_path / MARKER).exists() is False


@pytest.mark.slow
def test_whole_demo_asks_every_question(tmp_path: Path) -> None:
    outcome = run(tmp_path / "demo", models=PLAIN)
    assert len(text_questions(outcome.truths)) >= 8
    assert all(len(q.right) >= 3 for q in text_questions(outcome.truths))
    assert len(outcome.of("sound")) == 3
    assert sum(j.question.shown for j in outcome.of("versions")) == 8
    summary = outcome.summaries()["versions"]
    assert summary.mean_average_precision > 3 * summary.chance_mean_average_precision
    assert MARKER in {p.name for p in outcome.folder.iterdir()}
    assert (outcome.understood is None) == bool(outcome.not_understood)
    if outcome.understood:
        figures = outcome.understood.figures()
        assert all(one.value > one.chance for one in figures.values() if one.chance is not None), figures
        assert outcome.narrowed is not None
        assert outcome.narrowed.right == 2
