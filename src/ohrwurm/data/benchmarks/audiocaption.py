"""MusCALL's data set of audio and captions.

    dataset_train.json, dataset_val.json, dataset_test.json     lists of {audio_id, caption, audio_path}
    audio/                                                      .npy files at 16 kHz, (samples,) or (2, samples)

Source: Manco, Benetos, Quinton, Fazekas, "Contrastive audio-language learning for music", ISMIR 2022.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ohrwurm.data.benchmarks.base import AudioForm, Benchmark, Layout, Variant, audio_track, read_json
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

SAMPLE_RATE = 16000
SPLITS = {"train": "train", "val": "validation", "test": "test"}


def read(folder: Path, variant: str) -> Manifest:
    """One track a caption, in the order of the files; validation and test may be missing.

    Its id is that of the audio with the split before it (the published example has the same recordings in all
    splits), and a number after it from an audio's second caption on. Annotation `song`: the id of the audio.

    Raises:
        DataError: a file is damaged, or an item without caption or path.
    """
    tracks: list[Track] = []
    seen: Counter[str] = Counter()
    for name, split in SPLITS.items():
        file = folder / f"dataset_{name}.json"
        if name != "train" and not file.is_file():
            continue
        for number, item in enumerate(read_json(file, list), 1):
            where = f"{file}, item {number}"
            if not isinstance(item, dict):
                raise DataError(f"{where}: not an object with audio_id, caption and audio_path")
            missing = [key for key in ("audio_id", "caption", "audio_path") if item.get(key) in (None, "")]
            if missing:
                raise DataError(f"{where}: no {missing[0]}")
            key = f"{name}/{item['audio_id']}"
            seen[key] += 1
            track_id = key if seen[key] == 1 else f"{key}/{seen[key]}"
            path, caption = folder / "audio" / str(item["audio_path"]), str(item["caption"]).strip()
            said = {"song": str(item["audio_id"])}
            tracks.append(audio_track(track_id, path, SAMPLE_RATE, said, split=split, caption=caption))
    return Manifest(tracks)


BENCHMARK = Benchmark(
    name="audiocaption",
    title="Recordings with captions in MusCALL's form.",
    citation="Manco, Benetos, Quinton, Fazekas: Contrastive audio-language learning for music, ISMIR 2022",
    licence="that of the recordings; MusCALL's own are a production library's and not public",
    layouts=(Layout("MusCALL's data/datasets/audiocaption", ("dataset_train.json", "audio"), read),),
    variants={"muscall": Variant("The splits of its three files.", ("retrieval",), {})},
    advice=(
        "Make it of captions of your own: the three lists, and the recordings as .npy at 16 kHz in audio/. MusCALL "
        "does not resample; other formats in audio/ are read at their own rate."
    ),
    audio=(AudioForm(SAMPLE_RATE, "npy", source="MusCALL"),),
    caveats="The published example has the same recordings in all splits.",
    evaluation_only=False,
)
