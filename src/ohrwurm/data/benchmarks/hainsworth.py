"""Hainsworth: beats and downbeats of 222 excerpts of about a minute, from rock to choral music.

    annotations/beats/...                              time and place in the bar, with tabs, a file an excerpt
    audio/...                                          the audio under the same names

The audio is not public; laboratories pass it on. The folder may be `H_1.0`, as mirdata has it.

Source: Hainsworth, Macleod, "Particle filtering applied to musical tempo tracking", EURASIP 2004; annotations as
corrected by Böck et al. 2014.
"""

from __future__ import annotations

from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Variant
from ohrwurm.data.benchmarks.forms.annotated import audio_beside, beat_this, files_of
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

ENDINGS = (".beats", ".txt", ".tsv", ".csv")


def read(folder: Path, variant: str) -> Manifest:
    """All excerpts. Annotations: `beats` (a file).

    Raises:
        DataError: there are no annotations.
    """
    base = folder / "H_1.0" if (folder / "H_1.0").is_dir() else folder
    files = [f for f in files_of(base / "annotations" / "beats", "*") if f.suffix in ENDINGS]
    if not files:
        raise DataError(f"{base / 'annotations/beats'}: no files that end in {', '.join(ENDINGS)}")
    return Manifest(Track(f.stem, str(audio_beside(base, f.stem)), annotations={"beats": str(f)}) for f in files)


BENCHMARK = Benchmark(
    name="hainsworth",
    title="Hainsworth: beats and downbeats of 222 excerpts of a minute, rock to choral.",
    citation="Hainsworth, Macleod: Particle filtering applied to musical tempo tracking, EURASIP 2004",
    licence="annotations: CC-BY-NC-SA 4.0; the audio is not public",
    layouts=(
        Layout("as mirdata keeps it", ("H_1.0/annotations/beats",), read),
        Layout("its folder itself", ("annotations/beats/hains*", "annotations/tempo"), read),
        beat_this("hainsworth_*.beats", ("all",), audio_beside),
    ),
    variants={"all": Variant("All excerpts, for cross-validation.", ("beats",), {"": 222})},
    advice="Ask its authors, or a laboratory that has it; put beats into annotations/beats/ and the audio into audio/.",
    caveats="About twenty choral excerpts are hard to tap even for people.",
    evaluation_only=False,
)
