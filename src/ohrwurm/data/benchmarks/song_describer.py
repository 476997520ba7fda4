"""The Song Describer data set: 706 recordings of MTG-Jamendo, each with one or several captions by listeners.

    song_describer.csv                      caption_id, track_id, caption, is_valid_subset, familiarity, artist_id,
                                            album_id, path, duration
    song_describer.mtg-jamendo.tsv          what MTG-Jamendo knows of the recordings; optional, not read
    audio/00/1004100.2min.mp3 ...           two minutes of each

Source: Manco et al., "The Song Describer dataset: a corpus of audio captions for music-and-language evaluation", 2023.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant, first_there, one_of, rows
from ohrwurm.data.tracks import Manifest, Track

TABLE = "song_describer.csv"
COLUMNS = ("caption_id", "track_id", "caption", "is_valid_subset", "path")
ZENODO = "https://zenodo.org/records/10072001/files"


def read(folder: Path, variant: str) -> Manifest:
    """One track a caption, all in the test split; variant ``valid`` has the captions that were checked, ``single`` the
    first of each recording.

    Its id is that of the recording, from the second caption on with a stroke and a number after it. Annotations: song,
    the id of the recording; caption_id, artist, album.

    Raises:
        DataError: the table is missing or damaged.
    """
    seen: Counter[str] = Counter()
    tracks = []
    for row in rows(folder, COLUMNS, TABLE, "caption_id"):
        checked = one_of(row, "is_valid_subset", ("True", "False"), folder, TABLE)
        if variant == "valid" and checked == "False":
            continue
        song, path = row["track_id"].strip(), Path(row["path"].strip())
        seen[song] += 1
        if variant == "single" and seen[song] > 1:
            continue
        name = song if seen[song] == 1 else f"{song}/{seen[song]}"
        there = first_there(folder / "audio" / one for one in (path.with_suffix(f".2min{path.suffix}"), path))
        said = {"song": song, "caption_id": row["caption_id"], "artist": row.get("artist_id", "")}
        said |= {"album": row.get("album_id", "")}
        tracks.append(Track(name, str(there), "test", caption=row["caption"].strip(), annotations=said))
    return Manifest(tracks)


BENCHMARK = Benchmark(
    name="song_describer",
    title="Song Describer: 1,106 captions of 706 recordings of two minutes.",
    citation="Manco et al.: The Song Describer dataset, 2023",
    licence="captions CC-BY-SA 4.0; each recording its own Creative Commons licence, in audio_licenses.txt",
    layouts=(Layout("as published on Zenodo", (f"{TABLE}:{','.join(COLUMNS)}",), read),),
    variants={
        "all": Variant("All captions.", ("retrieval", "described"), {"test": 1106}),
        "valid": Variant(
            "The captions that others checked, of 546 recordings.", ("retrieval", "described"), {"test": 746}
        ),
        "single": Variant(
            "The first caption of each recording, so that each has one right answer.",
            ("retrieval", "described"),
            {"test": 706},
        ),
    },
    remotes=(
        Remote(f"{ZENODO}/{TABLE}?download=1", TABLE, about="the captions"),
        Remote(f"{ZENODO}/audio.zip?download=1", "audio.zip", unpack=True, about="two minutes of each recording"),
    ),
    advice="Everything is at https://doi.org/10.5281/zenodo.10072001; unpack the audio into audio/.",
    caveats=(
        "Some recordings have several captions and stand in the pool once for each, tied with themselves; the variant "
        "single has none of these."
    ),
)
