"""McGill Billboard: as published, and as JAMS."""

from __future__ import annotations

from pathlib import Path

from trees import write_json, write_lines

from ohrwurm.data import annotations
from ohrwurm.data.benchmarks import find


def tree(folder: Path) -> Path:
    for number in ("0003", "0004"):
        song = folder / "McGill-Billboard" / number
        write_lines(
            song / "salami_chords.txt", "# metre: 4/4", "", "0.0\tsilence", "1.0\tA, intro, | C:maj | G:7 |", "5.0\tend"
        )
    write_lines(folder / "McGill-Billboard" / "0003" / "full.lab", "0.0\t1.0\tN", "1.0\t3.1\tC:maj", "3.1\t5.0\tG:7")
    write_lines(
        folder / "billboard-2.0-index.csv", "id,chart_date,title,artist", '3,1961-07-03,"I Do",One', "4,,I Do,One"
    )
    return folder


def test_slots_of_one_song_are_one_work(tmp_path: Path) -> None:
    found = find("billboard").read(tree(tmp_path))
    assert [(t.track_id, t.work_id) for t in found] == [("0003", "One/I Do"), ("0004", "One/I Do")]
    chords = annotations.read(found[0].annotations["chords"], "chords").value
    assert chords.intervals[:, 0].tolist() == [0.0, 1.0, 3.0]
    assert annotations.read(found[0].annotations["sections"], "sections").value.labels == ("silence", "intro")


def test_lab_has_a_time_for_each_chord(tmp_path: Path) -> None:
    (track,) = find("billboard/lab").read(tree(tmp_path))
    assert annotations.read(track.annotations["chords"], "chords").value.intervals[:, 0].tolist() == [0.0, 1.0, 3.1]


def test_jams(tmp_path: Path) -> None:
    data = [{"time": 0.0, "duration": 2.0, "value": "C:maj", "confidence": 1.0}]
    write_json(tmp_path / "jams" / "billboard_3.jams", {"annotations": [{"namespace": "chord", "data": data}]})
    (track,) = find("billboard").read(tmp_path)
    assert track.track_id == "0003"
    assert annotations.read(track.annotations["chords"], "chords").value.labels == ("C:maj",)
