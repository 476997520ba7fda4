"""Readers of score collections, on miniatures written here."""

from __future__ import annotations

import dataclasses
import logging
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tunes import ABC, march

from ohrwurm.data import scores as sources
from ohrwurm.data.archives import unpacked
from ohrwurm.data.musicxml import read_musicxml
from ohrwurm.data.score import DURATION, ONSET, PITCH
from ohrwurm.data.scores import EVALUATION_ONLY, read_scores, split_of, training_scores
from ohrwurm.errors import DataError

pretty_midi = pytest.importorskip("pretty_midi")

XML = """<score-partwise><work><work-title>Tiny</work-title></work><part id="P1">
<measure number="0"><attributes><divisions>2</divisions><key><fifths>-1</fifths><mode>minor</mode></key>
<time><beats>3</beats><beat-type>4</beat-type></time></attributes>
<note><pitch><step>A</step><octave>4</octave></pitch><duration>2</duration></note></measure>
<measure number="1"><harmony><root><root-step>D</root-step></root><kind>minor-seventh</kind>
<degree><degree-value>5</degree-value><degree-alter>-1</degree-alter><degree-type>alter</degree-type></degree></harmony>
<note><pitch><step>D</step><octave>5</octave></pitch><duration>4</duration><tie type="start"/></note>
<harmony><root><root-step>B</root-step><root-alter>-1</root-alter></root><kind>dominant</kind></harmony>
<note><grace/><pitch><step>C</step><octave>5</octave></pitch></note>
<note><pitch><step>D</step><octave>5</octave></pitch><duration>2</duration><tie type="stop"/></note></measure>
<measure number="2"><note><rest/><duration>2</duration></note>
<note><pitch><step>B</step><alter>-1</alter><octave>4</octave></pitch><duration>4</duration></note>
<note><chord/><pitch><step>F</step><octave>5</octave></pitch><duration>4</duration></note></measure>
</part></score-partwise>"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OHRWURM_DATA", raising=False)


def write_midi(path: Path, *tracks: tuple[str, int, bool, list[tuple[float, float, int]]], pedal: tuple = ()) -> None:
    midi = pretty_midi.PrettyMIDI(initial_tempo=120)
    for name, program, is_drum, notes in tracks:
        instrument = pretty_midi.Instrument(program, is_drum=is_drum, name=name)
        instrument.notes = [pretty_midi.Note(90, p, a, b) for a, b, p in notes]
        instrument.control_changes = [pretty_midi.ControlChange(64, value, at) for at, value in pedal]
        midi.instruments.append(instrument)
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.write(str(path))


def write_song(folder: Path, name: str) -> None:
    song = folder / "POP909" / name
    tune = [(i * 0.5, i * 0.5 + 0.4, 60 + i) for i in range(8)]
    write_midi(song / f"{name}.mid", ("MELODY", 0, False, tune), ("PIANO", 0, False, [(0.0, 2.0, 48)]))
    write_midi(song / "versions" / f"{name}-v1.mid", ("MELODY", 0, False, tune))
    write_midi(song / "versions" / f"{name}-v2.mid")  # no notes: left out
    beats = [f"{i * 0.5} {float(i % 2 == 0)} {float(i % 4 == 0)}" for i in range(8)]
    (song / "beat_midi.txt").write_text("\n".join(beats))
    (song / "chord_midi.txt").write_text("0.0\t2.0\tC#:min7/b3\n2.0\t4.0\tN\n")
    (song / "key_audio.txt").write_text("0.1\t4.0\tDb:maj\n")


def test_musicxml_notes_ties_chords_key_and_upbeat(tmp_path: Path) -> None:
    path = tmp_path / "tiny.mxl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
        archive.writestr("tiny.xml", XML)
    score = read_musicxml(path, score_id="a", work_id="a", source="test")
    quarter = 60 / 110
    assert score.melody[:, PITCH].tolist() == [69, 74, 77]
    assert score.melody[:, ONSET] / quarter == pytest.approx([0, 1, 5])
    assert score.melody[:, DURATION] / quarter == pytest.approx([1, 3, 2])
    assert [c.label for c in score.chords] == ["D:hdim7", "Bb:7"]
    assert [c.start / quarter for c in score.chords] == pytest.approx([1, 3])
    assert score.downbeats / quarter == pytest.approx([1, 4])
    assert score.beats / quarter == pytest.approx(range(7))
    assert (score.key, score.metre, score.title) == ("D:min", (3, 4), "Tiny")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04broken"])
def test_a_damaged_sheet_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.mxl").write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.mxl"):
        read_musicxml(tmp_path / "bad.mxl", score_id="a", work_id="a", source="test")


def test_pop909_versions_share_work_beats_and_chords(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_song(tmp_path / "pop909", "001")
    with caplog.at_level(logging.WARNING):
        songs = sources.read_pop909(tmp_path)
    assert [s.score_id for s in songs] == ["pop909/001", "pop909/001-v1"]
    assert "001-v2.mid: no notes" in caplog.text
    assert {s.work_id for s in songs} == {"pop909/001"}
    first = songs[0]
    assert first.melody[:, PITCH].tolist() == list(range(60, 68))
    assert (first.metre, round(first.tempo), first.key) == ((4, 4), 120, "Db:maj")
    assert first.downbeats.tolist() == [0.0, 2.0]
    assert [c.label for c in first.chords] == ["Db:min7/b3", "N"]
    assert len(sources.read_pop909(tmp_path, versions=False)) == 1


def test_archives_are_read_like_folders_and_unpacked_once(tmp_path: Path) -> None:
    write_song(tmp_path / "plain" / "pop909", "001")
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / "pop909.tar.xz", "w:xz") as archive:
        archive.add(tmp_path / "plain" / "pop909" / "POP909", "POP909")
    first, again = unpacked(tmp_path / "packed", "pop909"), unpacked(tmp_path / "packed", "pop909")
    assert first == again
    from_folder, from_archive = sources.read_pop909(tmp_path / "plain"), sources.read_pop909(tmp_path / "packed")
    assert [s.score_id for s in from_folder] == [s.score_id for s in from_archive]
    assert np.array_equal(from_folder[0].melody, from_archive[0].melody)


def test_a_damaged_archive_leaves_nothing_half_unpacked(tmp_path: Path) -> None:
    (tmp_path / "pop909.tar.xz").write_bytes(b"\xfd7zXZ\x00broken")
    with pytest.raises(DataError, match=r"pop909\.tar\.xz: cannot be unpacked"):
        unpacked(tmp_path, "pop909")
    assert not any((tmp_path / "cache" / "unpacked").iterdir())


def test_cached_scores_equal_read_scores(tmp_path: Path) -> None:
    write_song(tmp_path / "pop909", "001")
    first, second = sources.read_pop909(tmp_path), sources.read_pop909(tmp_path)
    for a, b in zip(first, second, strict=True):
        for field in dataclasses.fields(a):
            x, y = getattr(a, field.name), getattr(b, field.name)
            if field.name == "parts":
                assert [(p.program, p.is_drum, p.gain, p.role, p.notes.tolist()) for p in x] == [
                    (p.program, p.is_drum, p.gain, p.role, p.notes.tolist()) for p in y
                ]
            else:
                assert np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y
    for file in (tmp_path / "cache" / "scores").iterdir():
        file.write_bytes(b"damaged")
    assert [s.score_id for s in sources.read_pop909(tmp_path)] == [s.score_id for s in first]
    write_song(tmp_path / "pop909", "002")
    assert len(sources.read_pop909(tmp_path)) == 4  # a changed folder is read again


def test_openewld_takes_titles_and_words_from_the_database(tmp_path: Path) -> None:
    folder = tmp_path / "openewld"
    folder.mkdir()
    (folder / "tiny.xml").write_text(XML)
    with sqlite3.connect(folder / "OpenEWLD.db") as database:
        database.executescript(
            "CREATE TABLE works (id, title, path_leadsheet); CREATE TABLE work_genres (id, genre, occurrences);"
            "CREATE TABLE work_style (id, style, occurrences);"
            "INSERT INTO works VALUES (3, 'Tiny Tune', 'tiny.xml'), (4, 'Again', 'tiny.xml'), (5, 'Gone', 'no.xml');"
            "INSERT INTO work_genres VALUES (3, 'Pop', 1), (3, 'Jazz', 5);"
            "INSERT INTO work_style VALUES (3, 'Swing', 2);"
        )
    found = sources.read_openewld(tmp_path)
    assert [(s.score_id, s.title, s.tags) for s in found] == [("openewld/3", "Tiny Tune", ("jazz", "pop", "swing"))]
    assert (found[0].key, found[0].signature) == ("D:min", None)


def test_a_major_key_of_openewld_is_a_signature(tmp_path: Path) -> None:
    (tmp_path / "tiny.xml").write_text(XML.replace("<mode>minor</mode>", "<mode>major</mode>"))
    score = sources._key_as_signed(sources.read_musicxml(tmp_path / "tiny.xml", score_id="a", work_id="a", source="x"))
    assert (score.key, score.signature, score.transposed(2).signature) == (None, -1, 1)


def test_bands_keep_instruments_and_pedals_lengthen_notes(tmp_path: Path) -> None:
    folder = tmp_path / "freedoom_midi"
    write_midi(folder / "a.mid", ("x", 30, False, [(0.0, 1.0, 40)]), ("d", 0, True, [(0.0, 0.1, 36)]))
    write_midi(folder / "b.mid", ("d", 0, True, [(0.0, 0.1, 36)]))
    (folder / "c.mid").write_bytes(b"no MIDI")
    band = sources.read_freedoom(tmp_path)
    assert [(s.score_id, [(p.program, p.is_drum) for p in s.parts]) for s in band] == [
        ("freedoom/a", [(30, False), (0, True)])
    ]
    path = tmp_path / "asap_half" / "Bach" / "x" / "P01.mid"
    notes = [(0.0, 0.5, 60), (1.0, 1.2, 60), (1.0, 1.4, 64)]
    write_midi(path, ("p", 0, False, notes), pedal=((0.2, 127), (1.3, 0)))
    path.with_name("P01_annotations.txt").write_text("0.0\t0.0\tdb,3/4,0\n0.5\t0.5\tb\n1.0\t1.0\tb\n1.5\t1.5\tdb\n")
    piece = sources.read_asap(tmp_path)[0]
    assert (piece.work_id, piece.metre, piece.beats.tolist()) == ("asap/Bach/x", (3, 4), [0.0, 0.5, 1.0, 1.5])
    assert piece.downbeats.tolist() == [0.0, 1.5]
    assert (piece.key, piece.signature) == (None, 0)
    assert [s.label for s in piece.transposed(3).signatures] == ["-3"]
    assert piece.transposed(6).excerpt(0.5, 1.0).stretched(2.0).signature == 6
    # held by the pedal until struck again; until the pedal is lifted; as long as the key is down
    assert piece.parts[0].notes[:, DURATION] == pytest.approx([1.0, 0.3, 0.4], abs=0.01)


def test_folk_versions_group_by_work(tmp_path: Path) -> None:
    folder = tmp_path / "folk_versions" / "march"
    folder.mkdir(parents=True)
    (folder / "0_a.abc").write_text(ABC)
    (folder / "1_b.abc").write_text("X:1\nK:C\n|")
    index = 'work,file,collection,source_file,title,key,meter\n"march","march/0_a.abc",a,a,"March",G,4/4\n'
    (tmp_path / "folk_versions" / "index.csv").write_text(index + '"march","march/1_b.abc",b,b,"March",C,4/4\n')
    found = sources.read_folk_versions(tmp_path)
    assert [(s.score_id, s.work_id) for s in found] == [("folk_versions/march/0_a", "folk_versions/march")]


def test_splits_follow_the_work() -> None:
    def of(source: str, work: str) -> str:
        return split_of(dataclasses.replace(march(), source=source, work_id=work))

    assert [of("pop909", f"pop909/{n}") for n in ("001", "659", "660", "709", "710", "809")] == [
        "train", "train", "validation", "validation", "test", "test",
    ]  # fmt: skip
    shares = [of("openewld", f"openewld/{i}") for i in range(2000)]
    assert shares.count("train") / 2000 == pytest.approx(0.8, abs=0.03)
    assert shares.count("test") / 2000 == pytest.approx(0.1, abs=0.02)
    # fixed for ever: a change would move works that trained into the test
    assert [of("openewld", f"openewld/{i}") for i in range(6)] == SPLITS_OF_FIRST
    assert all(of(source, f"{source}/{i}") == "test" for source in EVALUATION_ONLY for i in range(20))


SPLITS_OF_FIRST = [*["train"] * 5, "validation"]


@pytest.mark.parametrize("source", sorted(EVALUATION_ONLY))
def test_evaluation_only_sources_never_train(source: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="evaluation-only"):
        read_scores([source], tmp_path, split="train")
    with pytest.raises(DataError, match="evaluation-only"):
        training_scores([march(), dataclasses.replace(march(), source=source)])


def test_missing_data_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="OHRWURM_DATA"):
        read_scores(["pop909"])
    with pytest.raises(DataError, match=r"pop909\.tar\.xz"):
        read_scores(["pop909"], tmp_path)
    with pytest.raises(DataError, match="no score source"):
        read_scores(["popular"], tmp_path)
