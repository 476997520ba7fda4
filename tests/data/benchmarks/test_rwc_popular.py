"""RWC popular: AIST's folders, with audio by CD and track or by song."""

from __future__ import annotations

from pathlib import Path

from trees import write_audio, write_lines

from ohrwurm.data import annotations
from ohrwurm.data.benchmarks import find

AIST = "annotations/AIST.RWC-MDB-P-2001"


def tree(folder: Path) -> Path:
    for number in ("001", "002"):
        write_lines(folder / f"{AIST}.BEAT" / f"RM-P{number}.BEAT.TXT", "4\t49\t384", "49\t93\t48", "93\t137\t96")
    write_lines(folder / f"{AIST}.CHORUS" / "RM-P001.CHORUS.TXT", '4\t1026\t"intro"', '1026\t2315\t"chorus A"')
    write_lines(
        folder / f"{AIST}.CHORD" / "RWC_Pop_Chords" / "N001-M01-T05.lab", "0.000\t0.104\tN", "0.104\t1.858\tAb:min"
    )
    return folder


def test_songs_with_their_files(tmp_path: Path) -> None:
    write_audio(tree(tmp_path) / "audio" / "rwc-p-m01" / "5.wav")
    one, two = find("rwc_popular").read(tmp_path)
    assert Path(one.path).is_file()
    assert two.path.endswith("RM-P002.wav")
    assert annotations.read_beats(one.annotations["beats"]).value.positions.tolist() == [1, 2, 3]
    sections = annotations.read(one.annotations["sections"], "sections").value
    assert (sections.labels, sections.intervals[1].tolist()) == (("intro", "chorus A"), [10.26, 23.15])
    assert annotations.read(one.annotations["chords"], "chords").value.labels == ("N", "Ab:min")
    assert set(two.annotations) == {"beats"}
