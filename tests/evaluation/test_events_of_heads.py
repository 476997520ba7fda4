"""Models with heads as what is measured: one hearing for all tasks, and figures as mir_eval computes them by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pytest
import soundfile
from small_headed import SPECS, small_headed
from typer.testing import CliRunner

from ohrwurm.analysis import decisions
from ohrwurm.analysis.chords import RAW
from ohrwurm.analysis.hearing import Heard, heard, heard_in
from ohrwurm.cli import app
from ohrwurm.data.annotations.beats import write_beats
from ohrwurm.data.annotations.spans import write_lab
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import ModelError
from ohrwurm.evaluation import hearings
from ohrwurm.evaluation.comparison import compare
from ohrwurm.evaluation.metrics import marble as clips
from ohrwurm.evaluation.protocols import marble
from ohrwurm.evaluation.report import Report
from ohrwurm.evaluation.tasks import Recordings, run
from ohrwurm.events import Beats, Spans
from ohrwurm.models import registry
from ohrwurm.models.frame_heads import HeadSpec

RATE, SECONDS = 24000, 13.0
CHORDS = ("C:maj", "A:min7", "N", "G:7", "F:sus4", "E:min")


def spans(edges: Any, labels: Any) -> Spans:
    edges = np.asarray(edges, float)
    return Spans(np.stack([edges[:-1], edges[1:]], 1), tuple(labels))


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    """Three recordings with every annotation."""
    folder, tracks = tmp_path_factory.mktemp("songs"), []
    for number, name in enumerate("abc"):
        rng = np.random.default_rng(number)
        t = np.arange(int(RATE * (SECONDS + number))) / RATE
        sound = 0.2 * np.sin(2 * np.pi * 220 * 2 ** (rng.integers(0, 12, len(t) // RATE + 1)[(t).astype(int)] / 12) * t)
        sound += 0.3 * rng.normal(size=len(t)) * (t % 0.5 < 0.03)
        soundfile.write(folder / f"{name}.wav", sound.astype(np.float32), RATE)
        times = np.arange(0.21, SECONDS, 0.5)
        write_beats(folder / f"{name}.beats", Beats(times, np.arange(len(times)) % 4 + 1))
        write_lab(folder / f"{name}.chords.lab", spans(np.linspace(0, SECONDS, 7), CHORDS))
        write_lab(folder / f"{name}.sections.lab", spans([0, 4, 9, SECONDS], ("intro", "verse", "chorus")))
        said = {"beats": f"{name}.beats", "chords": f"{name}.chords.lab", "sections": f"{name}.sections.lab"}
        tracks.append(Track(name, str(folder / f"{name}.wav"), annotations={**said, "key": "A minor"}))
    return Recordings(Manifest(tracks), "songs")


@pytest.fixture(scope="module")
def model(headed_folder: Path) -> Any:
    return registry.load(headed_folder)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def measured(task: str, model: Any, songs: Recordings, cache: Path | None, **options: Any) -> Report:
    return run(task, model, songs, cache=cache, workers=1, **options)


def each(report: Report, metric: str) -> list[float]:
    return list(report.outcome.items[0].values[metric])


def alone(songs: Recordings, model: Any) -> list[Heard]:
    return [heard(track.path, model) for track in songs.manifest]


def test_all_tasks_and_decoders_listen_once(
    songs: Recordings, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listened: list[str] = []
    hear = hearings.hear_file

    def counted(decoder: Any, file: Any, *given: Any, **more: Any) -> Heard:
        listened.append(Path(file).stem)
        return hear(decoder, file, *given, **more)

    monkeypatch.setattr(hearings, "hear_file", counted)
    for task in ("beats", "chords", "key", "structure"):
        measured(task, model, songs, tmp_path)
    measured("beats", model, songs, tmp_path, decoder="peaks")
    measured("chords", model, songs, tmp_path, smoothing="none")
    assert listened == ["a", "b", "c"]


def test_what_is_kept_is_what_was_heard_and_damage_is_heard_again(
    songs: Recordings, model: Any, tmp_path: Path
) -> None:
    first = measured("chords", model, songs, tmp_path)
    kept = sorted((tmp_path / "hearings").rglob("*.npz"))
    assert len(kept) == 3
    kept[0].write_bytes(kept[0].read_bytes()[:1000])
    for file in (tmp_path / "evaluations").rglob("*.json"):
        file.unlink()
    again = measured("chords", model, songs, tmp_path)
    assert again.outcome.details["ways"] == first.outcome.details["ways"]
    assert again.outcome.figures == first.outcome.figures


@pytest.mark.parametrize("decoder", ["bars", "peaks"])
def test_beats_are_those_of_the_analysis_by_mir_eval(songs: Recordings, model: Any, cache: Path, decoder: Any) -> None:
    report = measured("beats", model, songs, cache, decoder=decoder, skip=0.0)
    truth = np.arange(0.21, SECONDS, 0.5)
    found = [decisions.beats_of(one, decoder)[0] for one in alone(songs, model)]
    assert each(report, "F-measure") == pytest.approx([mir_eval.beat.f_measure(truth, b.times) for b in found])
    down = [mir_eval.beat.f_measure(truth[::4], b.downbeats) if len(b.downbeats) else 0.0 for b in found]
    assert each(report, "downbeat F-measure") == pytest.approx(down)
    assert report.model == "small-headed"
    assert report.provenance == model.card.provenance


@pytest.mark.parametrize("smoothing", ["none", "viterbi"])
def test_chords_are_those_of_the_analysis_by_mir_eval(
    songs: Recordings, model: Any, cache: Path, smoothing: Any
) -> None:
    report = measured("chords", model, songs, cache, smoothing=smoothing)
    truth = spans(np.linspace(0, SECONDS, 7), CHORDS)
    settings = replace(decisions.SETTINGS, chords=RAW) if smoothing == "none" else decisions.SETTINGS
    wanted = []
    for one in alone(songs, model):
        found = decisions.chords_of(one, settings)
        scores = mir_eval.chord.evaluate(truth.intervals, list(truth.labels), found.intervals, list(found.labels))
        wanted.append(scores["majmin"])
    assert report.outcome.figures["majmin"].value == pytest.approx(np.mean(wanted))
    ways = report.outcome.details["ways"]
    assert set(ways) == {"triads, none", "triads, median", "triads, viterbi"}
    assert ways[f"triads, {smoothing}"]["majmin"] == report.outcome.figures["majmin"].value
    assert report.outcome.details["smoothing"] == smoothing


def test_a_head_by_parts_tells_its_large_vocabulary(songs: Recordings, tmp_path: Path) -> None:
    model: Any = small_headed((SPECS[1], HeadSpec("chord-parts", hidden=16)), name="both")
    ways = measured("chords", model, songs, tmp_path).outcome.details["ways"]
    assert len(ways) == 6
    truth = spans(np.linspace(0, SECONDS, 7), CHORDS)
    wanted = []
    for one in alone(songs, model):
        found = decisions.chords_of(replace(one, specs={"chord-parts": one.specs["chord-parts"]}))
        scores = mir_eval.chord.evaluate(truth.intervals, list(truth.labels), found.intervals, list(found.labels))
        wanted.append(scores["sevenths"])
    assert ways["parts, viterbi"]["sevenths"] == pytest.approx(np.mean(wanted))
    by_parts: Any = small_headed((HeadSpec("chord-parts", hidden=16),), name="parts")
    alone_too = measured("chords", by_parts, songs, tmp_path).outcome
    assert alone_too.details["ways"]["parts, viterbi"]["majmin"] == alone_too.figures["majmin"].value


def test_key_and_structure(songs: Recordings, model: Any, cache: Path) -> None:
    keys = [decisions.keys_of(one)[0].label for one in alone(songs, model)]
    points = [mir_eval.key.weighted_score("A minor", label) for label in keys]
    assert each(measured("key", model, songs, cache), "weighted score") == pytest.approx(points)
    report = measured("structure", model, songs, cache)
    truth = spans([0, 4, 9, SECONDS], ("intro", "verse", "chorus"))
    found = decisions.sections_of(alone(songs, model)[0])
    fitted = mir_eval.util.adjust_intervals(found.intervals, list(found.labels), 0.0, SECONDS)[0]
    assert each(report, "HR.5F")[0] == pytest.approx(mir_eval.segment.detection(truth.intervals, fitted)[2])
    assert "ACC" in report.outcome.figures
    assert "no head" not in report.outcome.protocol


def test_sections_without_a_head_are_marked(songs: Recordings, tmp_path: Path) -> None:
    model: Any = small_headed(SPECS[:1], name="beats-alone")
    report = measured("structure", model, songs, tmp_path)
    assert "no head for sections, whose letters stand for what sounds alike" in report.outcome.protocol
    assert "ACC" not in report.outcome.figures
    with pytest.raises(ModelError, match="beats-alone does not find chords; take a model with a head for it"):
        measured("chords", model, songs, tmp_path)


def test_two_reports_are_compared_pair_by_pair(songs: Recordings, model: Any, cache: Path, tmp_path: Path) -> None:
    """A model beside what another program wrote, here the truth itself."""
    for track in songs.manifest:
        file = Path(track.path).with_suffix(".beats")
        (tmp_path / file.name).write_text(file.read_text())
    ours = measured("beats", model, songs, cache)
    truth = measured("beats", model, songs, cache, estimates=tmp_path)
    found = {d.metric: d for d in compare([ours, truth]).differences}
    assert found["F-measure"].found.items == 3
    assert found["F-measure"].found.second == 1.0


# MARBLE's protocol ----------------------------------------------------------------------------------------------------


def pieces(track: Track, model: Any, clip: float) -> list[tuple[float, Heard]]:
    """What is heard in clips that are files of their own."""
    x, rate = soundfile.read(track.path, dtype="float32")
    size = round(clip * rate)
    return [(i / rate, heard_in(x[i : i + size], rate, model)) for i in range(0, len(x), size)]


def test_marble_chords_are_frames_of_clips_heard_alone(songs: Recordings, model: Any, cache: Path) -> None:
    report = measured("chords", model, songs, cache, protocol="marble")
    truth = spans(np.linspace(0, SECONDS, 7), CHORDS)
    right = known = 0
    for track in songs.manifest:
        for start, one in pieces(track, model, clips.CHORD_CLIP):
            best = one.probabilities["chords"]["chords"].argmax(1)
            names = one.specs["chords"].classes
            for i, number in enumerate(best):
                time = start + i / 16
                row = int(time / (SECONDS / 6) + 1e-9)
                if time >= SECONDS or truth.labels[row] == "F:sus4":
                    continue
                wanted = {"A:min7": "A:min", "G:7": "G:maj"}.get(truth.labels[row], truth.labels[row])
                known += 1
                right += names[number] == wanted
    assert report.outcome.figures["frame accuracy"].value == pytest.approx(right / known)
    assert report.outcome.published.keys() == {"accuracy"}
    assert report.outcome.published_as.startswith("MARBLE's frame accuracy")
    assert report.outcome.details["smoothing"] == "none"
    assert report.settings["protocol"] == "marble"


def test_marble_beats_are_counted_over_the_set(songs: Recordings, model: Any, cache: Path) -> None:
    report = measured("beats", model, songs, cache, protocol="marble")
    truth = np.arange(0.21, SECONDS, 0.5)
    hits = total = 0.0
    for track in songs.manifest:
        parts = tuple(hearings.Piece(start, one) for start, one in pieces(track, model, clips.BEAT_CLIP))
        assert [piece.start for piece in parts] == [0.0, 10.0]
        counts = clips.beats(truth, marble.decoded(parts, 0).times)
        hits, total = hits + counts.right, total + counts.total
    assert report.outcome.figures["F-measure"].value == pytest.approx(hits / total)
    assert "downbeat F-measure" in report.outcome.figures
    assert compare([report, report]).differences[0].found.first == pytest.approx(hits / total)


def test_marble_of_a_perfect_estimate_is_1(songs: Recordings, model: Any, tmp_path: Path) -> None:
    """Of files that another program wrote, too: they are cut into the clips."""
    for track in songs.manifest:
        for ending in (".beats", ".chords.lab"):
            file = Path(track.path).with_suffix(ending)
            (tmp_path / f"{track.track_id}{ending.removeprefix('.chords')}").write_text(file.read_text())
    beats = measured("beats", model, songs, None, estimates=tmp_path, protocol="marble")
    assert [figure.value for figure in beats.outcome.figures.values()] == [1.0, 1.0]
    chords = measured("chords", model, songs, None, estimates=tmp_path, protocol="marble")
    assert chords.outcome.figures["frame accuracy"].value == 1.0
    assert chords.outcome.published["accuracy"] < 1.0  # the truth has been put wrong


def test_marble_key_hears_clips(songs: Recordings, model: Any, cache: Path) -> None:
    report = measured("key", model, songs, cache, protocol="marble")
    assert "clips of 30 s" in report.outcome.protocol
    assert report.outcome.figures["weighted score"].value == measured("key", model, songs, cache).outcome.figures[
        "weighted score"
    ].value  # songs of 13 s are one clip  # fmt: skip


def test_an_activation_at_a_lower_rate_keeps_its_peaks() -> None:
    x = np.zeros(500)
    x[[7, 100, 499]] = 0.9, 0.8, 0.7
    lower = marble.to_rate(x, 50, 25)
    assert len(lower) == 250
    assert lower[[3, 50, 249]].tolist() == [0.9, 0.8, 0.7]
    assert marble.to_rate(x, 25, 25).tolist() == x.tolist()
    assert len(marble.to_rate(x[:7], 50, 20)) == 3


def test_on_the_command_line(songs: Recordings, headed_folder: Path, cache: Path, tmp_path: Path) -> None:
    table = tmp_path / "songs.csv"
    songs.manifest.write(table)
    given = ["evaluate", "beats", "--manifest", str(table), "--model", str(headed_folder), "--decoder", "peaks"]
    done = CliRunner().invoke(app, [*given, "--protocol", "marble", "--json"], env={"OHRWURM_CACHE": str(cache)})
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["model"] == "small-headed"
