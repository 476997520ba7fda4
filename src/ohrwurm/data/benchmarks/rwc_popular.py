"""RWC popular: 100 songs made for research, with AIST's annotations of beats and sections, and NYU's of chords.

    annotations/AIST.RWC-MDB-P-2001.BEAT/RM-P001.BEAT.TXT                      hundredths of a second; 384: downbeat
    annotations/AIST.RWC-MDB-P-2001.CHORUS/RM-P001.CHORUS.TXT                  sections
    annotations/AIST.RWC-MDB-P-2001.CHORD/RWC_Pop_Chords/N001-M01-T01.lab      chords, by song, CD and track
    audio/rwc-p-m01/1.wav                                                      by CD and track; or audio/RM-P001.wav

Source: Goto, "AIST annotation for the RWC music database", ISMIR 2006.
"""

from __future__ import annotations

import re
from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant, first_there
from ohrwurm.data.benchmarks.forms.annotated import audio_beside, files_of
from ohrwurm.data.tracks import Manifest, Track

AIST = "annotations/AIST.RWC-MDB-P-2001"
CHORDS = re.compile(r"N(\d{3})-M(\d+)-T(\d+)\.lab")


def read(folder: Path, variant: str) -> Manifest:
    """All songs. Annotations: `beats`, `sections` and `chords` (files, where they are there).

    Raises:
        DataError: there are no beats.
    """
    chords = {
        m[1]: (file, m[2], m[3]) for file in folder.glob(f"{AIST}.CHORD/**/*.lab") if (m := CHORDS.match(file.name))
    }
    tracks = []
    for beats in files_of(folder, f"{AIST}.BEAT/RM-P*.BEAT.TXT"):
        name = beats.name.partition(".")[0]
        said: dict[str, object] = {"beats": str(beats)}
        sections = folder / f"{AIST}.CHORUS" / f"{name}.CHORUS.TXT"
        if sections.is_file():
            said["sections"] = str(sections)
        audio = audio_beside(folder, name)
        if found := chords.get(name[-3:]):
            file, disc, place = found
            said["chords"] = str(file)
            audio = first_there((folder / "audio" / f"rwc-p-m{disc}" / f"{int(place)}.wav", audio))
        tracks.append(Track(name, str(audio), annotations=said))
    return Manifest(tracks)


BENCHMARK = Benchmark(
    name="rwc_popular",
    title="RWC popular: beats, sections and chords of 100 songs made for research.",
    citation="Goto: AIST annotation for the RWC music database, ISMIR 2006",
    licence="annotations: free for research; the recordings are sold by AIST for research",
    layouts=(Layout("AIST's folders, as mirdata keeps them", (f"{AIST}.BEAT/RM-P*.BEAT.TXT",), read),),
    variants={"all": Variant("All songs.", ("beats", "chords", "structure"), {"": 100})},
    remotes=(
        Remote(
            "https://staff.aist.go.jp/m.goto/RWC-MDB/AIST-Annotation/AIST.RWC-MDB-P-2001.BEAT.zip",
            "annotations/AIST.RWC-MDB-P-2001.BEAT.zip",
            md5="3858aa989535bd7196b3cd07b512b5b6",
            unpack=True,
            about="beats",
        ),
        Remote(
            "https://staff.aist.go.jp/m.goto/RWC-MDB/AIST-Annotation/AIST.RWC-MDB-P-2001.CHORD.zip",
            "annotations/AIST.RWC-MDB-P-2001.CHORD.zip",
            md5="68379c88bc8ec3f1907b32a3579197c5",
            unpack=True,
            about="chords",
        ),
    ),
    advice="AIST's pages have AIST.RWC-MDB-P-2001.CHORUS.zip (sections) too, and say how to get the audio.",
    caveats="Songs in Japanese and English of the styles of the 1980s and 1990s, composed for the database.",
    evaluation_only=False,
)
