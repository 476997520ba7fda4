"""POP909: beats, chords and keys of 909 pop songs as piano arrangements.

    POP909/001/001.mid                                 melody, bridge and piano
    POP909/001/beat_midi.txt, chord_midi.txt           in the time of the MIDI file
    POP909/001/beat_audio.txt, chord_audio.txt, key_audio.txt          in the time of the original recording
    audio/001.wav                                      yours: the MIDI file rendered, or the recording (variant audio)

Splits are the house's: songs up to 659 train, 660 to 709 validate, 710 on are tested.

Source: Wang et al., "POP909: a pop-song dataset for music arrangement generation", ISMIR 2020.
"""

from __future__ import annotations

from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant
from ohrwurm.data.benchmarks.forms.annotated import audio_beside, files_of
from ohrwurm.data.tracks import Manifest, Track

SPLITS = {"train": 659, "validation": 709, "test": 999}  # the last song of each


def read(folder: Path, variant: str) -> Manifest:
    """All songs, in the time of the MIDI files or of the recordings. Annotations: `beats`, `chords`, `key` (files).

    Raises:
        DataError: there are no songs.
    """
    tracks = []
    for file in files_of(folder, f"POP909/[0-9][0-9][0-9]/beat_{variant}.txt"):
        name = file.parent.name
        said = {
            "beats": str(file),
            "chords": str(file.with_name(f"chord_{variant}.txt")),
            "key": str(file.with_name("key_audio.txt")),
        }
        split = next(split for split, last in SPLITS.items() if int(name) <= last)
        tracks.append(Track(name, str(audio_beside(folder, name)), split, work_id=f"pop909/{name}", annotations=said))
    return Manifest(tracks)


BENCHMARK = Benchmark(
    name="pop909",
    title="POP909: beats, chords and keys of pop songs as piano arrangements.",
    citation="Wang et al.: POP909: a pop-song dataset for music arrangement generation, ISMIR 2020",
    licence="MIT; the original recordings belong to their labels",
    layouts=(Layout("as published", ("POP909/*/beat_midi.txt",), read),),
    variants={
        "midi": Variant("In the time of the MIDI files, with the house's splits.", ("beats", "chords", "key"), {}),
        "audio": Variant("In the time of the original recordings.", ("beats", "chords", "key"), {}),
    },
    remotes=(
        Remote(
            "https://github.com/music-x-lab/POP909-Dataset/archive/refs/heads/master.zip",
            "POP909-Dataset.zip",
            unpack=True,
            about="MIDI files and annotations; move the folder POP909 up",
        ),
    ),
    advice="Render each 001.mid into audio/001.wav, or put the original recordings there for the variant audio.",
    caveats="Rendered piano is no recording: say so with every figure. Chords and keys come from algorithms.",
    evaluation_only=False,
)
