"""covers80: 80 songs, each by two artists. 160 MP3s of 32 kbit/s, 16 kHz, mono.

    covers32k/A_Whiter_Shade_Of_Pale/annie_lennox+Medusa+03-A_Whiter_Shade_Of_Pale.mp3
    list1.list, list2.list            the two versions of each song, in one order: folder/name without the ending

Those lists (also as .txt) say what is asked for: each song of the first list among those of the second. The folders
hold a few more versions than the lists name.

Source: Ellis, Cotton, "The 2007 LabROSA cover song detection system", MIREX 2007.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Variant, first_there
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

AUDIO = "covers32k"
ENDINGS = (".mp3", ".wav", ".flac", ".m4a", ".ogg")


def read(folder: Path, variant: str) -> Manifest:
    """All versions, to be tested on; the folder's name is the work.

    Variant ``lists`` has those of the two lists, first list first (annotation `list`: 1 or 2), so that the places 1 to
    80 ask and 81 to 160 are searched; ``folders`` all that the folders hold. Annotations: artist, album.

    Raises:
        DataError: a list is missing, the lists differ in length, or name different songs at one place.
    """
    if variant == "folders":
        files = sorted(f for f in (folder / AUDIO).glob("*/*") if f.suffix.lower() in ENDINGS)
        if not files:
            raise DataError(f"{folder / AUDIO}: no recordings; unpack covers80.tgz here")
        return Manifest(_track(file, {}) for file in files)
    first, second = (_list(folder, number) for number in (1, 2))
    if len(first) != len(second):
        raise DataError(
            f"{folder}: list1 has {len(first)} songs, list2 {len(second)}; they belong together line by line"
        )
    for line, (one, other) in enumerate(zip(first, second, strict=True), 1):
        if one.split("/")[0] != other.split("/")[0]:
            raise DataError(f"{folder}: line {line} of the lists names two songs, {one} and {other}")
    return Manifest(
        _track(_audio(folder, entry), {"list": number})
        for number, entries in ((1, first), (2, second))
        for entry in entries
    )


def _list(folder: Path, number: int) -> list[str]:
    file = first_there(folder / f"list{number}{ending}" for ending in (".list", ".txt"))
    if not file.is_file():
        raise DataError(f"{file}: missing; it is part of covers80.tgz")
    entries = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    wrong = next((entry for entry in entries if len(entry.split("/")) != 2), None)
    if wrong is not None:
        raise DataError(f"{file}: {wrong!r} is no folder and name, such as Song/artist+Album+01-Song")
    return entries


def _audio(folder: Path, entry: str) -> Path:
    """Where a recording lies; the lists leave its ending out."""
    base = folder / AUDIO
    if Path(entry).suffix.lower() in ENDINGS:
        return base / entry
    return first_there(base / f"{entry}{ending}" for ending in ENDINGS)


def _track(file: Path, annotations: dict[str, Any]) -> Track:
    artist, _, rest = file.stem.partition("+")
    facts = annotations | {"artist": artist.replace("_", " "), "album": rest.partition("+")[0].replace("_", " ")}
    return Track(f"{file.parent.name}/{file.stem}", str(file), "test", work_id=file.parent.name, annotations=facts)


BENCHMARK = Benchmark(
    name="covers80",
    title="80 songs, each by two artists.",
    citation='Ellis, "The covers80 cover song data set", 2007 (with Ellis, Cotton, MIREX 2007)',
    licence="commercial recordings at low quality, offered for research",
    caveats="Small, and tuned on by many; its MP3s of 32 kbit/s and 16 kHz sound duller than others.",
    layouts=(
        Layout("lists and recordings", (AUDIO, "list1.list", "list2.list"), read),
        Layout("lists (.txt) and recordings", (AUDIO, "list1.txt", "list2.txt"), read),
        Layout("recordings alone", (AUDIO,), read, ("folders",)),
    ),
    variants={
        "lists": Variant("The 80 pairs of the two lists.", ("versions",), {"test": 160}),
        "folders": Variant("All versions that the folders hold.", ("versions",), {}),
    },
    advice="covers80.tgz is at http://labrosa.ee.columbia.edu/projects/coversongs/covers80 where that answers; unpack "
    "it into a folder covers80.",
)
