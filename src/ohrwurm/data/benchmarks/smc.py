"""SMC_MIREX: beats of 217 excerpts of 40 s, chosen because beat trackers disagree on them.

    SMC_MIREX_Annotations_05_08_2014/SMC_001_2_1_1_a.txt     a time a line; the name's end is not for evaluation
    SMC_MIREX_Audio/SMC_001.wav                              44.1 kHz, mono
    SMC_MIREX_Annotations/...                                the same before five endings were corrected

Source: Holzapfel, Davies, Zapata, Oliveira, Gouyon, "Selective sampling for beat tracking evaluation", 2012.
"""

from __future__ import annotations

from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant
from ohrwurm.data.benchmarks.forms.annotated import audio_in, beat_this, files_of
from ohrwurm.data.tracks import Manifest, Track

CORRECTED, FIRST = "SMC_MIREX_Annotations_05_08_2014", "SMC_MIREX_Annotations"
EASY = 271  # from this number on, excerpts are easy


def read(folder: Path, variant: str) -> Manifest:
    """All excerpts. Annotations: `beats` (a file) and `difficulty`, easy or hard.

    Raises:
        DataError: there are no annotations.
    """
    base = folder / "SMC_MIREX" if (folder / "SMC_MIREX").is_dir() else folder
    there = base / CORRECTED if (base / CORRECTED).is_dir() else base / FIRST
    tracks = []
    for file in files_of(there, "SMC_[0-9]*.txt"):
        name = file.name[: len("SMC_001")]
        said = {"beats": str(file), "difficulty": "easy" if int(name[-3:]) >= EASY else "hard"}
        tracks.append(Track(name, str(_audio(base, name)), annotations=said))
    return Manifest(tracks)


def _audio(base: Path, name: str) -> Path:
    return audio_in(base / "SMC_MIREX_Audio", name.upper())


def _layout(base: str) -> tuple[Layout, ...]:
    return tuple(Layout("as published", (f"{base}{name}/SMC_*.txt",), read) for name in (CORRECTED, FIRST))


BENCHMARK = Benchmark(
    name="smc",
    title="SMC_MIREX: beats of 217 excerpts of 40 s that are hard to track.",
    citation="Holzapfel et al.: Selective sampling for beat tracking evaluation, IEEE TASLP 2012",
    licence="for research; CC-BY-NC-SA 3.0",
    layouts=(*_layout(""), *_layout("SMC_MIREX/"), beat_this("smc_*.beats", ("all",), _audio)),
    variants={"all": Variant("All excerpts, for cross-validation.", ("beats",), {"": 217})},
    remotes=(
        Remote(
            "http://smc.inescporto.pt/data/SMC_MIREX.zip",
            "SMC_MIREX.zip",
            unpack=True,
            about="annotations and audio; the address has been dead at times",
        ),
    ),
    caveats="No downbeats. 198 excerpts are hard, 19 easy: figures lie far below those of other sets.",
    evaluation_only=False,
)
