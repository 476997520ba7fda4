"""Beats, chords, structure and key as tasks: hand-computed scores, missing estimates, systems that listen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from ohrwurm.audio.isolation import Decoder
from ohrwurm.cli import app
from ohrwurm.data.annotations.beats import write_beats
from ohrwurm.data.annotations.keys import write_key
from ohrwurm.data.annotations.spans import write_lab
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import AudioError, DataError, ModelError
from ohrwurm.evaluation import baselines
from ohrwurm.evaluation.report import Report
from ohrwurm.evaluation.systems import System, card_of, heard, plain, restored
from ohrwurm.evaluation.tasks import Recordings, evaluate, run
from ohrwurm.events import TONICS, Beats, Key, Spans

TIMES = np.arange(0, 40, 0.5)


def spans(*rows: tuple[float, float, str]) -> Spans:
    return Spans(np.array([row[:2] for row in rows]), tuple(row[2] for row in rows))


def beats(times: Any = TIMES, metre: int = 4, shift: int = 0) -> Beats:
    return Beats(np.asarray(times), (np.arange(len(times)) - shift) % metre + 1)


def write(folder: Path, name: str, value: Any) -> str:
    kind: Any = {Beats: write_beats, Spans: write_lab, Key: write_key}[type(value)]
    file = folder / f"{name}{ {Beats: '.beats', Spans: '.lab', Key: '.key'}[type(value)] }"
    file.parent.mkdir(parents=True, exist_ok=True)
    kind(file, value)
    return str(file)


def measure(
    task: str, column: str, folder: Path, truth: dict[str, Any], found: dict[str, Any], **options: Any
) -> Report:
    """The report on estimates in files, of tracks a, b ... whose audio is nowhere."""
    tracks = [
        Track(name, str(folder / "audio" / f"{name}.wav"), annotations={column: write(folder / "truth", name, value)})
        for name, value in truth.items()
    ]
    (folder / "estimates").mkdir(exist_ok=True)
    for name, value in found.items():
        write(folder / "estimates", name, value)
    recordings = Recordings(Manifest(tracks), "mine")
    return evaluate(task, None, recordings, cache=False, estimates=folder / "estimates", **options)


def value(report: Report, name: str) -> float:
    return report.outcome.figures[name].value


# Beats ----------------------------------------------------------------------------------------------------------------


def test_a_perfect_estimate_scores_1(tmp_path: Path) -> None:
    found = measure(
        "beats", "beats", tmp_path, {"a": beats(), "b": beats(TIMES + 0.1)}, {"a": beats(), "b": beats(TIMES + 0.1)}
    )
    for name in ("F-measure", "downbeat F-measure", "CMLt", "AMLt", "downbeat CMLt"):
        assert value(found, name) == 1.0
        assert (found.outcome.figures[name].low, found.outcome.figures[name].high) == (1.0, 1.0)
    assert list(found.outcome.figures)[:2] == ["F-measure", "downbeat F-measure"]
    assert found.model == "estimates"
    assert found.outcome.figures["F-measure"].chance == 0.0  # the other track's beats are 100 ms away
    assert found.outcome.warnings == ()


def test_beats_at_half_the_tempo_have_a_known_score(tmp_path: Path) -> None:
    half = Beats(TIMES[::2], np.arange(40) % 4 + 1)
    found = measure("beats", "beats", tmp_path, {"a": beats()}, {"a": half})
    assert value(found, "F-measure") == pytest.approx(2 / 3)  # of 70 beats after 5 s every second one is found
    assert value(found, "CMLt") == 0.0
    assert value(found, "AMLt") > 0.95
    assert value(found, "downbeat F-measure") == pytest.approx(2 / 3, abs=0.03)


def test_a_shift_past_the_tolerance_loses_all(tmp_path: Path) -> None:
    for shift, skip, tolerance, score in ((0.06, 5.0, 0.07, 1.0), (0.08, 5.0, 0.07, 0.0), (0.08, 0.0, 0.1, 1.0)):
        found = measure(
            "beats", "beats", tmp_path, {"a": beats()}, {"a": beats(TIMES + shift)}, skip=skip, tolerance=tolerance
        )
        assert value(found, "F-measure") == score


def test_bars_that_begin_elsewhere_lose_downbeats_alone(tmp_path: Path) -> None:
    found = measure("beats", "beats", tmp_path, {"a": beats()}, {"a": beats(shift=1)})
    assert (value(found, "F-measure"), value(found, "downbeat F-measure")) == (1.0, 0.0)


def test_missing_and_empty_estimates_count_0_and_are_told(tmp_path: Path) -> None:
    nothing = Beats(np.zeros(0), np.zeros(0, np.int64))
    truth = {name: beats() for name in "abcd"}
    found = measure("beats", "beats", tmp_path, truth, {"a": beats(), "b": beats(), "c": nothing})
    assert value(found, "F-measure") == 0.5
    assert found.outcome.counts["tracks without an estimate"] == 2
    assert "2 of 4 tracks have no estimate or an empty one, which counts 0" in found.outcome.warnings
    assert dict(zip(found.outcome.items[0].ids, found.outcome.items[0].values["F-measure"], strict=True)) == {
        "a": 1.0, "b": 1.0, "c": 0.0, "d": 0.0,
    }  # fmt: skip


def test_a_damaged_estimate_counts_0_and_a_damaged_annotation_is_left_out(tmp_path: Path) -> None:
    measure("beats", "beats", tmp_path, {"a": beats(), "b": beats()}, {"a": beats(), "b": beats()})
    (tmp_path / "estimates" / "a.beats").write_text("soon 1\n")
    tracks = [Track(n, f"{n}.wav", annotations={"beats": str(tmp_path / "truth" / f"{n}.beats")}) for n in "abc"]
    found = evaluate("beats", None, Manifest(tracks), cache=False, estimates=tmp_path / "estimates")
    assert found.outcome.counts["tracks"] == 2
    assert value(found, "F-measure") == 0.5
    assert "c.wav" in found.failures
    assert "missing" in found.failures["c.wav"]
    assert any("1 estimates could not be made or read and count 0" in w for w in found.outcome.warnings)


def test_what_was_put_right_is_told(tmp_path: Path) -> None:
    measure("beats", "beats", tmp_path, {"a": beats()}, {"a": beats()})
    lines = (tmp_path / "estimates" / "a.beats").read_text().splitlines()
    (tmp_path / "estimates" / "a.beats").write_text("\n".join(reversed(lines)))
    tracks = [Track("a", "a.wav", annotations={"beats": str(tmp_path / "truth" / "a.beats")})]
    found = evaluate("beats", None, Manifest(tracks), cache=False, estimates=tmp_path / "estimates")
    assert value(found, "F-measure") == 1.0
    assert found.outcome.details["remarks"] == {"a": ["estimate: beats out of order were sorted"]}


def test_intervals_are_drawn_over_works(tmp_path: Path) -> None:
    tracks = []
    for work, right in (("x", True), ("y", False)):
        for take in range(5):
            name = f"{work}{take}"
            truth = write(tmp_path / "truth", name, beats())
            write(tmp_path / "estimates", name, beats() if right else beats(TIMES + 0.2))
            tracks.append(Track(name, f"{name}.wav", work_id=work, annotations={"beats": truth}))
    found = evaluate("beats", None, Manifest(tracks), cache=False, estimates=tmp_path / "estimates")
    figure = found.outcome.figures["F-measure"]
    assert (figure.value, figure.low, figure.high) == (0.5, 0.0, 1.0)
    assert found.outcome.interval.startswith("95 % bootstrap over works")


def test_a_published_fold_alone(tmp_path: Path) -> None:
    tracks = []
    for number in range(4):
        truth = write(tmp_path / "truth", str(number), beats())
        write(tmp_path / "estimates", str(number), beats(TIMES + (0.2 if number == 3 else 0)))
        tracks.append(Track(str(number), f"{number}.wav", annotations={"beats": truth, "fold": number % 2}))
    given: Any = {"cache": False, "estimates": tmp_path / "estimates"}
    found = [evaluate("beats", None, Manifest(tracks), fold=fold, **given) for fold in (0, 1)]
    assert [value(report, "F-measure") for report in found] == [1.0, 0.5]
    assert [report.outcome.counts["tracks"] for report in found] == [2, 2]
    with pytest.raises(DataError, match="no track is in fold 7; there are 0, 1"):
        evaluate("beats", None, Manifest(tracks), fold=7, **given)
    bare = [replace(track, annotations={"beats": track.annotations["beats"]}) for track in tracks]
    with pytest.raises(DataError, match=r"put 8-fold\.folds into its folder"):
        evaluate("beats", None, Manifest(bare), fold=0, **given)


# Chords ---------------------------------------------------------------------------------------------------------------


def test_chords_are_weighted_by_duration(tmp_path: Path) -> None:
    truth = {"long": spans((0, 30, "C:maj"), (30, 40, "A:min7")), "short": spans((0, 10, "G:maj"))}
    right = {"long": spans((0, 20, "C:maj"), (20, 40, "A:min")), "short": spans((0, 10, "D:maj"))}
    found = measure("chords", "chords", tmp_path, truth, right)
    assert next(iter(found.outcome.figures)) == "majmin"
    assert value(found, "majmin") == pytest.approx(30 / 50)
    assert value(found, "sevenths") == pytest.approx(20 / 50)  # A:min is no A:min7
    assert np.mean(found.outcome.items[0].values["majmin"]) == pytest.approx(30 / 50)


def test_perfect_chords_have_no_interval_whatever_their_weights(tmp_path: Path) -> None:
    truth = {"long": spans((0, 90, "C:maj")), "short": spans((0, 10, "G:maj")), "middle": spans((0, 30, "D:min"))}
    figure = measure("chords", "chords", tmp_path, truth, truth).outcome.figures["majmin"]
    assert (figure.value, figure.low, figure.high) == (1.0, 1.0, 1.0)


def test_unknown_chords_do_not_count_and_a_missing_estimate_does(tmp_path: Path) -> None:
    truth = {"a": spans((0, 5, "C:maj"), (5, 10, "X")), "b": spans((0, 10, "N"))}
    found = measure("chords", "chords", tmp_path, truth, {"a": spans((0, 10, "C:maj"))})
    assert value(found, "majmin") == pytest.approx(0.5)  # no estimate is not "no chord"


# Structure ------------------------------------------------------------------------------------------------------------

SONG = spans((0, 10, "Intro"), (10, 30, "verse 1"), (30, 50, "Chorus"), (50, 70, "verse 2"), (70, 80, "gtr"))


def test_structure_under_classes(tmp_path: Path) -> None:
    found = spans((0, 10.4, "intro"), (10.4, 32, "verse"), (32, 50, "chorus"), (50, 70, "verse"), (70, 80, "outro"))
    report = measure("structure", "sections", tmp_path, {"a": SONG}, {"a": found})
    assert value(report, "HR.5F") == pytest.approx(5 / 6)
    assert value(report, "HR3F") == 1.0
    assert value(report, "ACC") == pytest.approx((70 - 0.4 - 2) / 70)  # gtr has no class and does not count
    assert report.outcome.details["remarks"]["a"] == [
        "reference: 1 section labels are not known: gtr; their time has no class"
    ]
    exact = measure("structure", "sections", tmp_path, {"a": SONG}, {"a": SONG})
    assert [value(exact, name) for name in ("HR.5F", "HR3F", "PWF", "Sf", "ACC")] == [1.0] * 5


def test_letters_are_measured_by_their_repetition(tmp_path: Path) -> None:
    letters = spans((0, 10, "A"), (10, 30, "B"), (30, 50, "C"), (50, 70, "B"), (70, 80, "D"))
    report = measure("structure", "sections", tmp_path, {"a": SONG}, {"a": letters})
    assert value(report, "PWF") == 1.0
    assert "ACC" not in report.outcome.figures
    assert any("ACC is left out" in warning for warning in report.outcome.warnings)
    assert "ACC" in measure("structure", "sections", tmp_path, {"a": SONG}, {"a": SONG}).outcome.figures


def test_trim_leaves_the_ends_out(tmp_path: Path) -> None:
    one = spans((0, 80, "verse"))
    assert value(measure("structure", "sections", tmp_path, {"a": SONG}, {"a": one}), "HR.5F") == pytest.approx(0.5)
    assert value(measure("structure", "sections", tmp_path, {"a": SONG}, {"a": one}, trim=True), "HR.5F") == 0.0


# Key ------------------------------------------------------------------------------------------------------------------


def test_keys_by_their_relation(tmp_path: Path) -> None:
    truth = {name: Key("C major", 1.0) for name in "abcdef"}
    said = {"a": "C major", "b": "G major", "c": "A minor", "d": "C minor", "e": "F major"}  # of f nothing
    found = measure("key", "key", tmp_path, truth, {name: Key(label, 1.0) for name, label in said.items()})
    assert value(found, "weighted score") == pytest.approx((1 + 0.5 + 0.3 + 0.2) / 6)
    assert value(found, "accuracy") == pytest.approx(1 / 6)
    assert value(found, "signature accuracy") == pytest.approx(2 / 6)  # C major and A minor
    assert found.outcome.figures["accuracy"].chance == pytest.approx(1 / 24)
    assert found.outcome.details["relations"] == {"same": 1, "fifth": 1, "relative": 1, "parallel": 1, "other": 1}
    more = measure("key", "key", tmp_path, truth, {}, descending_fifths=True)
    assert value(more, "weighted score") == pytest.approx((1 + 0.5 + 0.3 + 0.2 + 0.5) / 6)


def test_keys_by_name_and_by_signature(tmp_path: Path) -> None:
    (tmp_path / "P01_annotations.txt").write_text("0.5\t0.5\tdb,2/4,-3\n1.0\t1.0\tb\n9.0\t9.0\tb,,0\n9.5\t9.5\tb\n")
    tracks = [
        Track("a", "a.wav", annotations={"key": "Gb:maj"}),
        Track("b", str(tmp_path / "P01.wav"), annotations={"signature": "P01_annotations.txt"}),
        Track("c", "c.wav"),
    ]
    write(tmp_path / "estimates", "a", Key("Gb major", 1.0))
    write(tmp_path / "estimates", "b", Key("C minor", 1.0))
    found = evaluate("key", None, Manifest(tracks), cache=False, estimates=tmp_path / "estimates")
    assert value(found, "signature accuracy") == 1.0
    assert found.outcome.details["tracks measured"] == {"weighted score": 1, "accuracy": 1, "signature accuracy": 2}
    assert "1 tracks have no annotation of key and are left out" in found.outcome.warnings


def test_renditions_without_a_key_are_measured_by_their_signature_or_left_out(tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    bare = {"score_id": "s", "seconds": 9.0, "beats": [], "downbeats": [], "chords": [], "key": None}
    for name, more in (("a", {"signature": 7}), ("b", {})):
        (tmp_path / "truth" / f"{name}.json").write_text(json.dumps(bare | more))
        write(tmp_path / "estimates", name, Key("Db major", 1.0))
    tracks = [
        Track(name, str(tmp_path / "audio" / f"{name}.flac"), annotations={"truth": f"truth/{name}.json"})
        for name in "ab"
    ]
    found = evaluate("key", None, Manifest(tracks), cache=False, estimates=tmp_path / "estimates")
    assert value(found, "signature accuracy") == 1.0  # seven sharps are five flats
    assert found.outcome.counts["tracks"] == 1
    assert "1 tracks have no annotation of key and are left out" in found.outcome.warnings


# Files and systems ----------------------------------------------------------------------------------------------------


def test_files_are_found_by_id_or_by_audio_in_any_form(tmp_path: Path) -> None:
    folder = tmp_path / "estimates"
    truth = write(tmp_path / "truth", "t", Key("C major", 1.0))
    names = {"x/1": "x/1.key", "x/2": "x_2.txt", "3": "song3.lab", "4": "song4.wav.jams"}
    for file in names.values():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("C major\n")
    (folder / "song3.lab").write_text("0.0 3.0 C:maj\n3.0 4.0 G:maj\n")
    data = [{"time": 0.0, "duration": 4.0, "value": "C:major", "confidence": None}]
    (folder / "song4.wav.jams").write_text(json.dumps({"annotations": [{"namespace": "key_mode", "data": data}]}))
    tracks = [Track(n, f"/music/song{n[-1]}.wav", annotations={"key": truth}) for n in names]
    assert value(evaluate("key", None, Manifest(tracks), cache=False, estimates=folder), "accuracy") == 1.0


def test_files_that_belong_to_none_or_to_two(tmp_path: Path) -> None:
    truth = write(tmp_path / "truth", "t", Key("C major", 1.0))
    folder = tmp_path / "estimates"
    write(folder, "other", Key("C major", 1.0))
    one = Track("a", "/x/song.wav", annotations={"key": truth})
    with pytest.raises(DataError, match=r"none of its 1 files belongs to a track\. Call them .* e\.g\. a\.key"):
        evaluate("key", None, Manifest([one]), cache=False, estimates=folder)
    write(folder, "song", Key("C major", 1.0))
    two = [one, replace(one, track_id="b", path="/y/song.wav")]
    with pytest.raises(DataError, match=r"song\.key: belongs to a and to b"):
        evaluate("key", None, Manifest(two), cache=False, estimates=folder)


def tone(file: Path, seconds: float = 2.0) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(int(8000 * seconds)) / 8000
    soundfile.write(file, 0.3 * np.sin(2 * np.pi * 440 * t), 8000)
    return str(file)


def test_a_system_of_ones_own_listens_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def hear(waveform: np.ndarray, rate: int) -> Key:
        calls.append(len(waveform))
        return Key("C major", 0.5)

    tracks = [Track(n, tone(tmp_path / f"{n}.wav"), annotations={"key": "C major"}) for n in "ab"]
    (tmp_path / "c.wav").write_bytes(b"no audio")
    tracks.append(Track("c", str(tmp_path / "c.wav"), annotations={"key": "C major"}))
    system: Any = heard(card_of("mine", "key", "says C major", 4000), "key", hear)
    for _ in range(2):  # what was heard is kept
        found = run("key", system, Recordings(Manifest(tracks), "mine"), cache=tmp_path / "cache", workers=1)
        assert value(found, "accuracy") == 1.0
        assert found.outcome.counts["tracks"] == 2
        assert list(found.failures) == [str(tmp_path / "c.wav")]
        assert found.model == "mine"
        assert any("1 of 3 recordings left out" in warning for warning in found.outcome.warnings)
    assert calls == [8000, 8000]
    more: Any = {"cache": tmp_path / "cache", "workers": 1}
    run("key", system, Recordings(Manifest(tracks), "mine"), descending_fifths=True, protocol="marble", **more)
    assert calls == [8000, 8000]  # what is measured otherwise is not asked again


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    tracks = [Track(n, tone(tmp_path / f"{n}.wav"), annotations={"key": "C major"}) for n in "abc"]
    heard_of: list[str] = []

    def events(track: Track, decoder: Decoder) -> Key:
        if track.track_id == "c" and len(heard_of) == 2:
            heard_of.append("killed")
            raise KeyboardInterrupt
        heard_of.append(track.track_id)
        return Key("C major", 0.5)

    system: Any = System(card_of("mine", "key", ""), "key", events)
    recordings = Recordings(Manifest(tracks), "mine")
    with pytest.raises(KeyboardInterrupt):
        run("key", system, recordings, cache=tmp_path / "cache", workers=1)
    assert value(run("key", system, recordings, cache=tmp_path / "cache", workers=1), "accuracy") == 1.0
    assert heard_of == ["a", "b", "killed", "c"]


def test_a_system_that_fails_on_a_track_gets_0_there(tmp_path: Path) -> None:
    def events(track: Track, decoder: Decoder) -> Key:
        if track.track_id == "b":
            raise ModelError("cannot do it")
        return Key("C major", 1.0)

    tracks = [Track(n, tone(tmp_path / f"{n}.wav"), annotations={"key": "C major"}) for n in "ab"]
    system: Any = System(card_of("mine", "key", ""), "key", events)
    found = run("key", system, Recordings(Manifest(tracks), "mine"))
    assert value(found, "accuracy") == 0.5
    assert any("count 0, e.g. estimate: cannot do it" in warning for warning in found.outcome.warnings)


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    tracks = Manifest([Track("a", str(tmp_path / "a.wav"), annotations={"key": "C major"})])
    with pytest.raises(ModelError, match="chroma-chords finds chords, and not key; these do: chroma-key"):
        evaluate("key", "chroma-chords", tracks, cache=False)
    with pytest.raises(ModelError, match=r"mel-statistics has no heads.* these find key: chroma-key.*--estimates DIR"):
        evaluate("key", "mel-statistics", tracks, cache=False)
    with pytest.raises(DataError, match="no track has an annotation of beats; name its file in a column beats"):
        evaluate("beats", None, tracks, cache=False)
    with pytest.raises(DataError, match=r"none of 1 recordings can be used .* give --estimates"):
        evaluate("key", None, tracks, cache=False)


def test_truth_of_renditions_is_found_from_the_audio(tmp_path: Path) -> None:
    truth = {"score_id": "s", "seconds": 40.0, "beats": TIMES.tolist(), "downbeats": TIMES[::4].tolist(),
             "chords": [[0, 40, "C:maj"]], "key": "C:maj"}  # fmt: skip
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "a.json").write_text(json.dumps(truth))
    manifest = Manifest([Track("a", str(tmp_path / "audio" / "a.flac"), annotations={"truth": "truth/a.json"})])
    write(tmp_path / "estimates", "a", beats())
    found = evaluate("beats", None, manifest, cache=False, estimates=tmp_path / "estimates")
    assert (value(found, "F-measure"), value(found, "downbeat F-measure")) == (1.0, 1.0)
    with pytest.raises(DataError, match="no track has an annotation of sections"):
        evaluate("structure", None, manifest, cache=False, estimates=tmp_path / "estimates")


@pytest.mark.parametrize("events", [beats(), SONG, Key("C major", 0.25), replace(SONG, confidence=np.full(5, 0.5))])
def test_what_is_kept_is_what_was_found(events: Any) -> None:
    again: Any = restored(json.loads(json.dumps(plain(events))))
    assert plain(again) == plain(events)


def test_on_the_command_line(tmp_path: Path) -> None:
    measure("key", "key", tmp_path, {"a": Key("C major", 1.0)}, {"a": Key("C major", 1.0)})
    table = tmp_path / "mine.csv"
    Manifest([Track("a", "a.wav", annotations={"key": "C major"})]).write(table)
    given = ["evaluate", "key", "--manifest", str(table), "--estimates", str(tmp_path / "estimates"), "--json"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["outcome"]["figures"]["accuracy"]["value"] == 1.0


# Baselines ------------------------------------------------------------------------------------------------------------


def triad(root: float, third: int, seconds: float, rate: int = baselines.RATE) -> np.ndarray:
    t = np.arange(int(rate * seconds)) / rate
    pitches = [root * 2 ** (n / 12) for n in (0, third, 7)]
    return sum(np.sin(2 * np.pi * f * k * t) / k for f in pitches for k in (1, 2)).astype(np.float32) / 6


def test_chroma_chords_hears_triads_and_their_change() -> None:
    found = baselines.chords(np.concatenate([triad(261.63, 4, 3), triad(220.0, 3, 3)]), baselines.RATE)
    assert found.labels == ("C:maj", "A:min")
    assert found.intervals[1, 0] == pytest.approx(3.0, abs=0.25)
    assert found.intervals[-1, 1] == pytest.approx(6.0)


def test_key_profiles_hear_all_keys() -> None:
    major, minor = baselines.PROFILES["krumhansl"]
    for name in ("krumhansl", "temperley"):
        for tonic in range(12):
            assert baselines.key_of(np.roll(major, tonic), name).label == f"{TONICS[tonic]} major"
            assert baselines.key_of(np.roll(minor, tonic), name).label == f"{TONICS[tonic]} minor"


def test_silence_has_a_result() -> None:
    silence = np.zeros(baselines.RATE * 20, np.float32)
    assert set(baselines.chords(silence, baselines.RATE).labels) == {"N"}
    assert baselines.key(silence, baselines.RATE) == Key("N", 0.0)
    assert baselines.sections(silence, baselines.RATE).labels == ("A",)
    assert len(baselines.beats(silence, baselines.RATE)) == 0


def test_short_audio_is_told(tmp_path: Path) -> None:
    track = Track("a", tone(tmp_path / "a.wav", 0.2))
    with Decoder() as decoder, pytest.raises(AudioError, match="too-short"):
        baselines.SYSTEMS["chroma-key"].events(track, decoder)


@pytest.mark.slow
def test_librosa_beats_follows_clicks(tmp_path: Path) -> None:
    rate, rng = baselines.RATE, np.random.default_rng(0)
    x = 0.001 * rng.normal(size=rate * 30)
    for number, time in enumerate(np.arange(0.25, 29.5, 0.5)):
        length = rate // 20
        decay = np.exp(-np.arange(length) / (rate / 100))
        x[int(time * rate) :][:length] += decay * rng.normal(size=length)
        if number % 4 == 2:
            x[int(time * rate) :][:length] += 3 * decay * np.sin(2 * np.pi * 60 * np.arange(length) / rate)
    file = tmp_path / "clicks.wav"
    soundfile.write(file, (x / np.abs(x).max()).astype(np.float32), rate)
    truth = write(tmp_path / "truth", "clicks", beats(np.arange(0.25, 29.5, 0.5), shift=2))
    track = Track("clicks", str(file), annotations={"beats": truth})
    found = evaluate("beats", "librosa-beats", Manifest([track]), cache=False, workers=1)
    assert value(found, "F-measure") > 0.9
    assert value(found, "downbeat F-measure") > 0.8
