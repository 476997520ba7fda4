"""KVT: segments of Korean pop songs, with words for the voice that sings.

The reader takes TTMR's folder (`ohrwurm.data.benchmarks.forms.ttmr`): `track_split.json`, `annotation.json`,
`kvt_tags.json` and `npy/<track_id>.npy`. The songs themselves are not published.

Source: Kim, Lee, Kum, Park, Nam, "Semantic tagging of singing voices in popular music recordings", IEEE/ACM
Transactions on Audio, Speech, and Language Processing, 2020.
"""

from __future__ import annotations

from ohrwurm.data.benchmarks.base import Benchmark, Variant
from ohrwurm.data.benchmarks.forms import LABELLED, ttmr

LABELS = (
    "low-range", "mid-range", "high-range", "husky/throaty", "thick", "thin", "warm", "lonely", "passion", "pretty",
    "sad", "bright", "clear", "relaxed", "cute", "dark", "delicate", "emotional", "energetic", "male", "female",
    "mild/soft", "charismatic", "whisper/quiet", "sharp", "pure", "rich", "robotic/artificial", "rounded",
    "embellishing", "stable", "sweet", "young", "soulful/r&b", "ballad", "shouty", "vibrato", "falsetto", "breathy",
    "compressed", "dynamic", "speech-like",
)  # fmt: skip
BENCHMARK = Benchmark(
    name="kvt",
    title="KVT: K-pop vocal tags, 42 words for timbre and manner of singing.",
    citation="Kim, Lee, Kum, Park, Nam: Semantic tagging of singing voices in popular music recordings, TASLP 2020",
    licence="annotations: research; the songs are not redistributed",
    layouts=(ttmr.layout("kvt", LABELS),),
    variants={
        "ttmr": Variant(
            "TTMR's split and order of the 42 tags.",
            LABELLED,
            {},
            labels=LABELS,
        ),
    },
    advice=(
        "The annotations come from the authors (khlukekim.github.io/kvtdataset), the songs from your own collection. "
        "Lay them out as TTMR does: track_split.json (train_track, valid_track, test_track), annotation.json "
        "(id to tag), kvt_tags.json and npy/<id>.npy at 16 kHz."
    ),
    audio=(ttmr.AUDIO,),
    caveats="The tags describe the voice alone. One singer can be in several parts of the split.",
    evaluation_only=False,
)
