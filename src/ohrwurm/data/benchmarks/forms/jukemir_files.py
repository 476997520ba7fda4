"""What jukemir's code reads and writes beside its audio: metadata, and one vector a track.

    processed/<dataset>/meta.json                            uid → split, y, extra, clip, y_all
    representations/<dataset>/<representation>/<uid>.npy     float32 (size,)

With these, vectors of any model can be probed by the published code, and vectors that it extracted by
`ohrwurm.evaluation.protocols.jukemir.sweep`.

Source: Castellon, Donahue, Liang, "Codified audio language modeling learns useful representations for music information
retrieval", ISMIR 2021.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.atomic import replacing, write_text
from ohrwurm.data.benchmarks.forms.jukemir import SPLITS
from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError

TRUTH: dict[str, Callable[[Track], Any]] = {  # dataset → the `y` of a track
    "gtzan_ff": lambda track: track.tags[0],
    "magnatagatune": lambda track: list(track.tags),
    "emomusic": lambda track: [float(track.annotations[target]) for target in ("arousal", "valence")],
    "giantsteps_clips": lambda track: str(track.annotations["key"]),
}
NAMES = {ours: published for published, ours in SPLITS.items()}
CLIP = ("clip_offset", "clip_duration", "clip_idx")


def uid_of(track: Track) -> str:
    """jukemir's name of a track: its annotation `uid`, where it has one.

    Raises:
        DataError: it cannot be the name of a file.
    """
    found = str(track.annotations.get("uid") or track.track_id)
    if not re.fullmatch(r"[\w-][\w.-]*", found):
        raise DataError(f"track {found!r}: jukemir names files after tracks; take letters, digits, '-', '_' and '.'")
    return found


def write_metadata(root: str | Path, dataset: str, tracks: Iterable[Track]) -> Path:
    """Write `meta.json` of one of jukemir's data sets; tracks without a split are in none there either.

    Args:
        dataset: as jukemir names it, one of `TRUTH`.

    Raises:
        DataError: an unknown data set, a name twice, or a track without its truth.

    >>> import tempfile
    >>> song = Track("0002", "2.mp3", "validation", annotations={"arousal": 0.5, "valence": -1, "artist": "A"})
    >>> file = write_metadata(tempfile.mkdtemp(), "emomusic", [song])
    >>> json.loads(file.read_text())
    {'0002': {'extra': {'artist': 'A'}, 'split': 'valid', 'y': [0.5, -1.0]}}
    """
    if dataset not in TRUTH:
        raise DataError(f"jukemir has no data set {dataset!r}. It has: {', '.join(TRUTH)}.")
    found: dict[str, dict[str, Any]] = {}
    for track in tracks:
        uid = uid_of(track)
        if uid in found:
            raise DataError(f"two tracks are named {uid!r}; make the ids unique")
        try:
            y = TRUTH[dataset](track)
        except (LookupError, ValueError) as error:
            raise DataError(f"track {track.track_id!r}: lacks what {dataset} is about ({error!r})") from error
        found[uid] = {"split": NAMES.get(track.split), "y": y} | _said(track)
    file = Path(root) / "processed" / dataset / "meta.json"
    write_text(file, json.dumps(found, indent=2, sort_keys=True))
    return file


def write_vectors(
    root: str | Path, dataset: str, representation: str, tracks: Sequence[Track], vectors: ArrayLike
) -> Path:
    """Write one file a track; the same call after a kill writes what is missing, and what has changed.

    Args:
        representation: the name that the vectors get.
        vectors: `(tracks, size)`.

    Returns:
        The folder of the files.

    Raises:
        DataError: not one finite vector a track.
    """
    values = np.asarray(vectors, np.float32)
    if values.ndim != 2 or len(values) != len(tracks):
        raise DataError(f"{len(tracks)} tracks need one vector each, not an array {values.shape}")
    folder = _folder(root, dataset, representation)
    for track, vector in zip(tracks, values, strict=True):
        if not np.isfinite(vector).all():
            raise DataError(f"track {track.track_id!r}: its vector holds NaN or infinite values; embed it again")
        file = folder / f"{uid_of(track)}.npy"
        if file.is_file() and np.array_equal(_read(file), vector):
            continue
        with replacing(file) as temporary:
            np.save(temporary, vector)
    return folder


def read_vectors(root: str | Path, dataset: str, representation: str, tracks: Sequence[Track]) -> NDArray[np.float32]:
    """The vectors of tracks, `(tracks, size)`, as jukemir's code or `write_vectors` left them.

    Raises:
        DataError: a track has none, or they are of different sizes.
    """
    folder = _folder(root, dataset, representation)
    files = [folder / f"{uid_of(track)}.npy" for track in tracks]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise DataError(f"{missing[0]}: missing, and {len(missing) - 1} more of {len(files)}; extract them first")
    found = [_read(file) for file in files]
    other = next((file for file, v in zip(files, found, strict=True) if v.shape != found[0].shape or v.ndim != 1), None)
    if other is not None:
        raise DataError(
            f"{other}: {_read(other).shape} values, not {found[0].shape}; all are to be vectors of one size"
        )
    return np.stack(found) if found else np.zeros((0, 0), np.float32)


def _folder(root: str | Path, dataset: str, representation: str) -> Path:
    return Path(root) / "representations" / dataset / representation


def _read(file: Path) -> NDArray[np.float32]:
    try:
        return np.load(file, allow_pickle=False).astype(np.float32)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{file}: not a readable array ({error}); remove it and extract it again") from error


def _said(track: Track) -> dict[str, Any]:
    """What else is known of a track, in the places where jukemir keeps it."""
    known = {k: v for k, v in track.annotations.items() if isinstance(v, str | int | float) and v != ""}
    clip = {name: known.pop(name) for name in CLIP if name in known}
    if "song" in known and clip:
        clip["audio_uid"] = known["song"]
    all_tags = track.annotations.get("y_all")
    y_all = {} if all_tags is None else {"y_all": [tag for tag in str(all_tags).split(";") if tag]}
    extra = {k: v for k, v in known.items() if k not in ("uid", "y_all", "arousal", "valence", "key")}
    return {"extra": extra} | ({"clip": clip} if clip else {}) | y_all
