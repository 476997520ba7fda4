"""ASAP: beats, downbeats and signatures of performances of classical piano pieces by people, MIDI and partly audio.

    metadata.csv                                                composer, title, folder, ..., performance_annotations
    Bach/Fugue/bwv_846/Shi05M.mid, Shi05M_annotations.txt       a performance and its annotations
    Bach/Fugue/bwv_846/Shi05M.wav                               audio, where MAESTRO has it (`audio_performance`)
    8-fold.folds                                                optional: the folds of "Beat This!"

Performances of one piece are one work. Where annotations of the table are not there, as in a part of the set, their
performances are left out. Key *signatures* are annotated, not keys: A minor and C major are one.

Source: Foscarin, McLeod, Rigaux, Jacquemard, Sakai, "ASAP: a dataset of aligned scores and performances for piano
transcription", ISMIR 2020.
"""

from __future__ import annotations

from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant, rows
from ohrwurm.data.benchmarks.forms.annotated import audio_in, folds_in, with_fold
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

COLUMNS = ("composer", "title", "folder", "midi_performance", "performance_annotations", "audio_performance")


def read(folder: Path, variant: str) -> Manifest:
    """Performances whose annotations are there; variant ``audio`` those that come with audio.

    Annotations: `beats` and `signature` (one file), composer, title, and `fold` where the folds are there.

    Raises:
        DataError: the table is missing or damaged, or none of its annotations is there.
    """
    folds, tracks = folds_in(folder), []
    for row in rows(folder, COLUMNS, "metadata.csv", key="midi_performance"):
        file = folder / row["performance_annotations"]
        if not file.is_file() or (variant == "audio" and not row["audio_performance"]):
            continue
        name = row["midi_performance"].removesuffix(".mid")
        path = (
            folder / row["audio_performance"] if row["audio_performance"] else audio_in(folder, name, f"audio/{name}")
        )
        said = {"beats": str(file), "signature": str(file), "composer": row["composer"], "title": row["title"]}
        known = with_fold(said, folds.get(name.replace("/", "_")))
        tracks.append(Track(name, str(path), "test", work_id=f"{row['composer']}/{row['title']}", annotations=known))
    if not tracks:
        raise DataError(f"{folder}: none of the annotations that metadata.csv names is there; get the set again")
    return Manifest(tracks)


BENCHMARK = Benchmark(
    name="asap",
    folder="asap_half",
    title="ASAP: beats, downbeats and key signatures of 1,067 performances of classical piano music.",
    citation="Foscarin et al.: ASAP: a dataset of aligned scores and performances, ISMIR 2020",
    licence="CC-BY-NC-SA 4.0",
    layouts=(Layout("the repository", (f"metadata.csv:{','.join(COLUMNS)}",), read),),
    variants={
        "all": Variant(
            "All performances; audio where there is some, or the MIDI rendered.", ("beats", "key"), {"test": 1067}
        ),
        "audio": Variant("Performances of MAESTRO, which come with audio.", ("beats", "key"), {}),
    },
    remotes=(
        Remote(
            "https://github.com/fosfrancesco/asap-dataset/archive/refs/heads/master.zip",
            "asap-dataset.zip",
            unpack=True,
            about="scores, performances and annotations; move the content of asap-dataset-master one folder up",
        ),
    ),
    advice=(
        "The repository cuts audio from MAESTRO (initialize_dataset.py); render the others beside their MIDI files."
    ),
    caveats="Expressive timing: tempo changes all the time. Key signatures only; pieces are played by several people.",
)
