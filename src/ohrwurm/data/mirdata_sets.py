"""Any of mirdata's data sets as a manifest: its index says where the files lie, its reader what is known of each.

mirdata (Bittner et al., "mirdata: software for reproducible usage of datasets", ISMIR 2019) is an optional extra,
`pip install 'ohrwurm[datasets]'`; it brings pandas and clients of several cloud stores with it. Its index of a data set
is downloaded once: `mirdata.initialize(name).download(["index"])`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ohrwurm.data.class_folders import SPLITS
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

PRESENT = 0.5  # share of annotators from which an instrument counts as present
WORDS = ("genre", "genres", "tags", "instrument", "instruments")  # attributes that become tags
FACTS = ("title", "artist", "artists", "artist_id", "album_id", "key", "tempo", "style", "composer")
AUDIO = ("audio_path", "audio_mix_path", "mix_path", "audio_mono_path")


def names() -> list[str]:
    """The data sets that the installed mirdata knows.

    Raises:
        DataError: mirdata is not installed.
    """
    return sorted(_mirdata().list_datasets())


def read(name: str, home: str | Path, version: str = "default") -> Manifest:
    """All tracks of a data set, in the order of its index, whether or not their audio is there.

    Genres, tags and instruments (present for half of the annotators or more) become tags. Annotations: title, artist,
    key, tempo and the like, where the set has them; lists with ``; `` between.

    Args:
        name: as mirdata knows it, e.g. ``gtzan_genre``.
        home: the folder that mirdata calls `data_home`.
        version: of its index.

    Raises:
        DataError: no mirdata, no such data set, no index, or damaged annotations; the message names the track.
    """
    mirdata = _mirdata()
    if name not in mirdata.list_datasets():
        raise DataError(f"mirdata has no data set {name!r}. It has: {', '.join(sorted(mirdata.list_datasets()))}.")
    try:
        dataset = mirdata.initialize(name, data_home=str(home), version=version)
        identities = dataset.track_ids
    except (FileNotFoundError, ValueError) as error:
        raise DataError(
            f"{name}: mirdata cannot begin ({error}). If its index is missing, fetch it: "
            f"python -c \"import mirdata; mirdata.initialize({name!r}).download(['index'])\""
        ) from error
    return Manifest(
        _track(dataset.track(identity), str(identity), f"{name}, track {identity}") for identity in identities
    )


def _track(found: Any, identity: str, where: str) -> Track:
    path = next((path for name in AUDIO if (path := _said(found, name, where))), None)
    if path is None:
        raise DataError(f"{where}: mirdata names no audio file of it; this data set has none")
    tags = dict.fromkeys(word for name in WORDS for word in _words(_said(found, name, where)))
    facts = {name: _fact(_said(found, name, where)) for name in FACTS}
    split = SPLITS.get(str(_said(found, "split", where) or "").lower().rpartition("_")[2], "")  # also split01_train
    return Track(identity, str(path), split, tuple(tags), annotations={k: v for k, v in facts.items() if v != ""})


def _said(found: Any, name: str, where: str) -> Any:
    """An attribute of mirdata's track; None where the set does not have it. Reading it may read a file."""
    if not hasattr(type(found), name) and name not in vars(found):
        return None
    try:
        return getattr(found, name)
    except (LookupError, TypeError, AttributeError):  # mirdata's way through metadata that says nothing of this track
        return None
    except (OSError, ValueError, StopIteration) as error:
        raise DataError(f"{where}: {name} cannot be read ({error!r}); is the set complete?") from error


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if all(isinstance(v, int | float) for v in value.values()):
            value = [word for word, share in value.items() if share >= PRESENT]
        else:
            value = [word for words in value.values() for word in _words(words)]
    for word in [value] if isinstance(value, str) else value if isinstance(value, Iterable) else ():
        if text := str(word).strip().replace(";", ","):
            yield text


def _fact(value: Any) -> str | int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.strip()
    return "; ".join(str(one).strip() for one in value) if isinstance(value, list | tuple) else ""


def _mirdata() -> Any:
    try:
        return importlib.import_module("mirdata")
    except ImportError as error:
        raise DataError("this needs mirdata: pip install 'ohrwurm[datasets]'") from error
