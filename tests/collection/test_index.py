from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ohrwurm.audio.isolation import Limits
from ohrwurm.collection import Collection, Progress
from ohrwurm.collection.lock import writing
from ohrwurm.embedding import embed
from ohrwurm.errors import CollectionError, ModelError, ProvenanceError

Write = Callable[..., Path]


def heard(collection: Collection) -> dict[str, int]:
    """Windows that each of the collection's models was given since it was loaded."""
    models: list[Any] = list(collection._loaded.values())
    return {model.card.name: sum(model.heard) for model in models}


def content(collection: Collection) -> dict[str, dict[str, bytes]]:
    """All that a collection holds of vectors: path → model → bytes."""
    found: dict[str, dict[str, bytes]] = {}
    for space in collection.store.spaces():
        vectors = collection.store.vectors(space, [t.content for t in collection.tracks()])
        for track in collection.tracks():
            v = vectors[track.content]
            parts = (v.track, v.windows, v.starts, v.valid)
            found.setdefault(track.path, {})[space.name] = b"".join(x.tobytes() for x in parts)
    return found


def test_files_become_tracks_with_tags_and_windows(collection: Collection, write: Write, music: Path) -> None:
    import mutagen

    path = write("rags/one.flac", 1, seconds=3.5)
    tags = mutagen.File(path, easy=True)
    tags["title"], tags["artist"], tags["date"] = "Maple Leaf Rag", "Scott Joplin", "1899"
    tags.save()
    write("two.wav", 5)
    report = collection.index(music)
    assert (report.files, report.indexed, report.failures) == (2, 2, [])
    assert report.audio_seconds == pytest.approx(5.5)
    one, two = collection.tracks()
    assert (one.title, one.artist, one.year, one.status, two.title) == (
        "Maple Leaf Rag",
        "Scott Joplin",
        1899,
        "present",
        "two",
    )
    assert one.duration == 3.5
    assert one.path == str(path)
    (space,) = collection.store.spaces()
    vectors = collection.store.vectors(space, [one.content])[one.content]
    assert vectors.starts.tolist() == [0.0, 1.0, 2.0, 2.5]
    assert np.argmax(vectors.track) == 1
    assert collection.track(one.id) == one == collection.track(path)


def test_second_run_computes_nothing(collection: Collection, write: Write, music: Path) -> None:
    write("a.wav", 1)
    collection.index(music)
    before = collection.tracks()
    assert heard(collection) == {"test-bands": 2}
    again = Collection(collection.path)
    report = again.index()
    assert (report.files, report.unchanged, report.indexed) == (1, 1, 0)
    assert heard(again) == {"test-bands": 0}
    assert again.tracks() == before


def test_moved_and_renamed_files_keep_their_vectors(collection: Collection, write: Write, music: Path) -> None:
    old = write("a.wav", 1)
    write("b.wav", 2)
    collection.index(music)
    id_before = collection.track(old).id
    (music / "deeper").mkdir()
    old.rename(music / "deeper" / "renamed.wav")
    again = Collection(collection.path)
    report = again.index(music)
    assert (report.moved, report.unchanged, report.indexed, report.missing) == (1, 1, 0, 0)
    assert heard(again) == {"test-bands": 0}
    assert [(os.path.basename(t.path), t.title, t.status) for t in again.tracks()] == [
        ("b.wav", "b", "present"),
        ("renamed.wav", "renamed", "present"),
    ]
    assert again.track(id_before).path.endswith("renamed.wav")


def test_changed_file_is_done_again_and_its_old_vectors_go(collection: Collection, write: Write, music: Path) -> None:
    write("a.wav", 1)
    collection.index(music)
    write("a.wav", 6)
    report = collection.index(music)
    assert (report.indexed, report.unchanged) == (1, 0)
    (space,) = collection.store.spaces()
    (track,) = collection.tracks()
    assert collection.store.contents(space) == {track.content}
    assert collection.search("higher")[0].score > 0.9


def test_removed_files_are_marked_and_come_back_without_work(collection: Collection, write: Write, music: Path) -> None:
    path = write("a.wav", 1)
    write("b.wav", 2)
    collection.index(music)
    path.rename(music.parent / "away.wav")
    report = collection.index(music)
    assert (report.missing, report.unchanged) == (1, 1)
    assert collection.track(path).status == "missing"
    assert [r.title for r in collection.search("low")] == ["b"]
    assert collection.index(music).missing == 0  # told once
    (music.parent / "away.wav").rename(path)
    again = Collection(collection.path)
    assert again.index(music).indexed == 0
    assert heard(again) == {"test-bands": 0}
    assert again.track(path).status == "present"


def test_other_folders_are_left_alone(collection: Collection, write: Write, music: Path) -> None:
    write("a/x.wav", 1)
    write("ab/y.wav", 2)
    collection.index([music / "a", music / "ab"])
    (music / "ab" / "y.wav").unlink()
    assert collection.index(music / "a").missing == 0
    assert collection.index().missing == 1  # without folders: all that were indexed before


def test_copies_share_vectors_and_answer_once(collection: Collection, write: Write, music: Path) -> None:
    path = write("a.wav", 1)
    shutil.copy(path, music / "copy.wav")
    report = collection.index(music)
    assert report.indexed == 2
    assert heard(collection) == {"test-bands": 2}  # two windows of one file
    (result,) = collection.search("low")
    assert (result.path, result.copies) == (str(path), (str(music / "copy.wav"),))
    path.unlink()
    collection.index(music)
    assert [t.path for t in collection.tracks()] == [str(music / "copy.wav")]


def ten_hours(path: Path) -> Path:
    """A WAV file of ten hours of silence; sparse, so that it takes no room."""
    soundfile.write(path, np.zeros(8), 8000, subtype="PCM_U8")
    head = bytearray(path.read_bytes()[:44])
    size = 36000 * 8000
    head[4:8], head[40:44] = (size + 36).to_bytes(4, "little"), size.to_bytes(4, "little")
    path.write_bytes(head)
    os.truncate(path, 44 + size)
    return path


def test_every_bad_file_has_its_outcome_and_costs_no_other(collection: Collection, write: Write, music: Path) -> None:
    write("good.wav", 1)
    whole = write("whole.flac", 1, 2, seconds=4)
    data = whole.read_bytes()
    whole.unlink()
    (music / "truncated.flac").write_bytes(data[: len(data) // 2])
    (music / "header-only.wav").write_bytes(write("h.wav", 1).read_bytes()[:44])
    (music / "h.wav").unlink()
    (music / "noise.mp3").write_bytes(np.random.default_rng(0).bytes(20000))
    (music / "empty.wav").write_bytes(b"")
    (music / "words.mp3").write_text("I am no music, whatever my name says. " * 100)
    write("flac.wav", 3).rename(music / "wav-inside.mp3")
    write("hidden-music.flac", 4).rename(music / "hidden-music.txt")
    soundfile.write(music / "silent.wav", np.zeros(16000), 8000)
    soundfile.write(music / "one-sample.wav", np.full(1, 0.5), 8000)
    soundfile.write(music / "nan.wav", np.full(8000, np.nan, np.float32), 8000, subtype="FLOAT")
    ten_hours(music / "ten-hours.wav")
    report = collection.index(music, limits=Limits(max_seconds=3600))

    assert {os.path.basename(f.path): f.reason for f in collection.errors()} == {
        "empty.wav": "empty",
        "header-only.wav": "no-audio",
        "noise.mp3": "unreadable",
        "ten-hours.wav": "too-long",
        "words.mp3": "unreadable",
    }
    assert sorted(f.path for f in report.failures) == [f.path for f in collection.errors()]
    tracks = {os.path.basename(t.path): t for t in collection.tracks()}
    assert sorted(tracks) == [
        "good.wav", "hidden-music.txt", "nan.wav", "one-sample.wav", "silent.wav", "truncated.flac", "wav-inside.mp3",
    ]  # fmt: skip
    flagged = {name: set(t.flags.split(",")) for name, t in tracks.items()}
    assert {name for name, flags in flagged.items() if "silent" in flags} == {"silent.wav", "nan.wav"}
    assert "shorter-than-a-window" in flagged["one-sample.wav"]
    assert flagged["truncated.flac"] & {"truncated", "damaged"}
    # silence answers nothing, the rest does
    answers = {os.path.basename(r.path) for r in collection.search("low", k=50)}
    assert answers == set(tracks) - {"silent.wav", "nan.wav"}


@pytest.mark.slow
def test_ten_hours_are_indexed_where_the_limits_allow(collection: Collection, music: Path) -> None:
    ten_hours(music / "ten-hours.wav")
    report = collection.index(music)
    assert report.failures == []
    (track,) = collection.tracks()
    assert track.duration == 36000
    (space,) = collection.store.spaces()
    assert collection.store.vectors(space, [track.content])[track.content].windows.shape == (36000, 8)


def test_failed_files_are_tried_again_only_when_changed_or_asked(
    collection: Collection, write: Write, music: Path
) -> None:
    bad = music / "bad.wav"
    bad.write_text("no music")
    write("good.wav", 1)
    collection.index(music)
    (failure,) = collection.errors()
    report = collection.index(music)
    assert (report.skipped, report.failures) == (1, [])
    assert collection.errors() == [failure]
    assert len(collection.index(music, retry=True).failures) == 1
    bad.rename(music / "worse.wav")
    assert collection.index(music).skipped == 1
    assert [os.path.basename(f.path) for f in collection.errors()] == ["worse.wav"]
    (music / "worse.wav").unlink()
    write("worse.wav", 3)
    assert collection.index(music).indexed == 1
    assert collection.errors() == []


def test_a_failure_goes_with_its_file(collection: Collection, music: Path) -> None:
    (music / "bad.wav").write_text("no music")
    (music / "empty.wav").write_text("")
    collection.index(music)
    assert len(collection.errors()) == 2
    assert collection.index(music).skipped == 2
    (music / "bad.wav").unlink()
    (music / "empty.wav").unlink()
    collection.index(music)
    assert collection.errors() == []


def test_a_good_file_that_turns_bad_leaves_the_answers(collection: Collection, write: Write, music: Path) -> None:
    path = write("a.wav", 1)
    write("b.wav", 2)
    collection.index(music)
    path.write_text("overwritten")
    collection.index(music)
    assert [os.path.basename(t.path) for t in collection.tracks()] == ["b.wav"]
    assert [f.path for f in collection.errors()] == [str(path)]
    assert [r.title for r in collection.search("low")] == ["b"]


def test_a_model_that_stumbles_over_one_file_costs_that_file_only(
    collection: Collection, write: Write, music: Path
) -> None:
    write("a.wav", 1)
    time = np.arange(16000) / 8000
    wave = np.float32(0.25) * np.sin(2 * np.pi * 700 * time)
    wave[100] = 0.625  # exact in 16 bit
    soundfile.write(music / "unbearable.wav", wave, 8000)
    report = collection.index(music)
    (failure,) = report.failures
    assert (os.path.basename(failure.path), failure.reason) == ("unbearable.wav", "model")
    assert "shape mismatch" in failure.detail
    assert [t.title for t in collection.tracks()] == ["a"]


def test_a_new_model_runs_alone_and_once(collection: Collection, write: Write, music: Path) -> None:
    write("a.wav", 1)
    write("b.wav", 2)
    collection.index(music)
    first = content(collection)
    again = Collection(collection.path)
    assert again.index(music, models=["test-versions"]).indexed == 2
    assert heard(again) == {"test-bands": 0, "test-versions": 4}
    second = content(again)
    assert {path: v["test-bands"] for path, v in second.items()} == {path: v["test-bands"] for path, v in first.items()}
    assert [s.name for s in again.store.spaces()] == ["test-bands", "test-versions"]
    assert again.index(music).unchanged == 2


def model_folder(path: Path, tilt: float) -> Path:
    """A model folder with the test architecture; `tilt` makes it another model of the same name."""
    import dataclasses

    from ohrwurm.models import registry

    card = dataclasses.replace(registry.card("test-bands"), name="mine", parameters={"tilt": tilt})
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(card.to_json())
    import safetensors.torch

    safetensors.torch.save_file({}, path / "model.safetensors")
    return path


def test_vectors_of_a_replaced_model_are_not_compared_but_made_again(tmp_path: Path, write: Write, music: Path) -> None:
    folder = model_folder(tmp_path / "mine", tilt=0.0)
    write("a.wav", 1)
    first = Collection(tmp_path / "c", models=[folder])
    first.index(music)
    (old,) = first.store.spaces()
    model_folder(folder, tilt=0.5)
    after = Collection(tmp_path / "c")
    with pytest.raises(ProvenanceError, match="ohrwurm index"):
        after.search("low")
    with pytest.raises(ProvenanceError, match="ohrwurm index"):
        after.search(like=write("outside.wav", 3))
    assert after.index().indexed == 2
    (new,) = after.store.spaces()
    assert new.provenance != old.provenance
    assert old.table not in after.store._tables()
    assert len(after.search("low")) == 2


def test_precision_stays_with_the_collection_until_another_is_asked(
    tmp_path: Path, sound: Callable[..., np.ndarray], write: Write, music: Path
) -> None:
    songs = [music / f"{i}.wav" for i in range(3)]
    for i, song in enumerate(songs):  # shares of energy that bf16 has to round
        soundfile.write(song, 0.7 * sound(i) + 0.2 * sound(7 - i), 8000, subtype="FLOAT")
    folder = tmp_path / "collection"

    def held() -> tuple[str, float]:
        """Precision of the vectors, and their distance from fp32; asks by words, and by a file embedded now."""
        again = Collection(folder)
        (space,) = again.store.spaces()
        vectors = again.store.vectors(space, [t.content for t in again.tracks()])
        found = {t.path: vectors[t.content].track for t in again.tracks()}
        away = max(float(np.abs(found[str(one.path)] - one.vector).max()) for one in embed(songs, "test-bands"))
        assert again.search("lowest", k=1)[0].path == str(songs[0])
        assert again.search(like=write("../other.wav", 1, 3, 6), k=1)[0].path == str(songs[1])
        return space.precision, away

    first = Collection(folder, models=["test-bands"])
    assert first.index(music, precision="bf16").indexed == 3
    precision, away = held()
    assert precision == "bf16"
    assert 1e-5 < away < 1e-2
    assert Collection(folder).index(device="auto").unchanged == 3  # bf16 as before
    assert held()[0] == "bf16"
    assert Collection(folder).index(precision="fp32").indexed == 3  # other vectors: made again
    precision, away = held()
    assert precision == "fp32"
    assert away < 1e-6
    with pytest.raises(ModelError, match="not in int8"):
        Collection(folder).index(precision="int8")


def test_vectors_do_not_depend_on_the_number_of_workers(tmp_path: Path, write: Write, music: Path) -> None:
    for i in range(6):
        write(f"{i}.wav", i, i + 1, seconds=1 + 0.7 * i)
    models = ["test-bands", "mel-statistics", "chroma-cross-correlation"]
    found = []
    for workers in (1, 4):
        collection = Collection(tmp_path / f"c{workers}", models=models)
        assert collection.index(music, workers=workers).indexed == 6
        found.append(content(collection))
    assert found[0] == found[1]
    assert {name for vectors in found[0].values() for name in vectors} == set(models)


def test_interrupt_keeps_what_was_done_and_goes_on(collection: Collection, write: Write, music: Path) -> None:
    for i in range(8):
        write(f"{i}.wav", i)
    threads = threading.active_count()

    def interrupt(progress: Progress) -> None:
        if progress.phase == "embed" and progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collection.index(music, workers=2, progress=interrupt)
    done = len(collection.tracks())
    assert 3 <= done < 8
    assert threading.active_count() == threads
    report = collection.index(music)
    assert (report.unchanged, report.indexed) == (done, 8 - done)
    assert len(collection.tracks()) == 8


def test_progress_tells_how_far_it_is(collection: Collection, write: Write, music: Path) -> None:
    for i in range(3):
        write(f"{i}.wav", i)
    seen: list[Progress] = []
    collection.index(music, progress=seen.append)
    assert [p.done for p in seen if p.phase == "scan"] == [1, 2, 3]
    embed = [p for p in seen if p.phase == "embed"]
    assert [p.done for p in embed] == [0, 1, 2, 3]
    assert embed[0].seconds_left is None
    assert (embed[-1].fraction, embed[-1].seconds_left, embed[-1].total) == (1.0, 0.0, 3)
    assert embed[-1].rate > 0
    assert embed[-1].audio_seconds == pytest.approx(6.0)


def test_a_second_writer_is_refused(collection: Collection, write: Write, music: Path) -> None:
    write("a.wav", 1)
    collection.index(music)
    with writing(collection.path):
        with pytest.raises(CollectionError, match="another run"):
            Collection(collection.path).index(music)
        with pytest.raises(CollectionError, match="another run"):
            collection.remove(music / "a.wav")
    assert collection.index(music).unchanged == 1


def test_wrong_calls_change_nothing_and_say_what_to_do(tmp_path: Path, write: Write, music: Path) -> None:
    collection = Collection(tmp_path / "c", models=["test-bands"])
    with pytest.raises(CollectionError, match="does not exist"):
        collection.index(music / "nowhere")
    with pytest.raises(CollectionError, match="ohrwurm index"):
        collection.index()
    with pytest.raises(ModelError, match="no-such-model"):
        Collection(tmp_path / "c", models=["no-such-model"]).index(music)
    with pytest.raises(CollectionError, match="ohrwurm index"):
        collection.search("low")
    assert not (tmp_path / "c").exists()


def test_remove_takes_paths_folders_ids_and_the_missing(collection: Collection, write: Write, music: Path) -> None:
    for name in ("a.wav", "d/b.wav", "d/c.wav", "e.wav", "f.wav"):
        write(name, len(name) % 8, ord(name[-5]) % 8)
    collection.index(music)
    (space,) = collection.store.spaces()
    assert len(collection.remove(music / "d")) == 2
    e = collection.track(music / "e.wav")
    assert [t.path for t in collection.remove(e.id)] == [e.path]
    with pytest.raises(CollectionError, match="neither"):
        collection.remove("nothing")
    assert collection.store.count(space) == 2
    assert (music / "e.wav").exists()
    (music / "f.wav").unlink()
    assert collection.index(music).indexed == 3  # what was removed but still lies there comes back
    assert [os.path.basename(t.path) for t in collection.remove(missing=True)] == ["f.wav"]
    assert collection.store.count(space) == 4


def test_status_counts(collection: Collection, write: Write, music: Path) -> None:
    path = write("a.wav", 1)
    shutil.copy(path, music / "copy.wav")
    write("b.wav", 2, seconds=3)
    soundfile.write(music / "silent.wav", np.zeros(8000), 8000)
    (music / "bad.wav").write_text("no music")
    collection.index(music)
    (music / "b.wav").unlink()
    collection.index(music)
    status = collection.status()
    assert (status.tracks, status.missing, status.contents, status.silent) == (3, 1, 3, 1)
    assert status.seconds == pytest.approx(5.0)
    assert status.failures == {"unreadable": 1}
    assert status.folders == (str(music),)
    assert [(m.name, m.embedded, m.dim) for m in status.models] == [("test-bands", 3, 8)]
    assert status.disk_bytes > 1000
