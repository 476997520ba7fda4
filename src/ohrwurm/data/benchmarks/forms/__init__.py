"""What many data sets have in common: the layouts that one published system gives them, one file a system; and below,
how others keep audio, and what tracks with labels are the truth for."""

from __future__ import annotations

from ohrwurm.data.benchmarks.base import AudioForm, Task

CLMR_AUDIO = AudioForm(22050, "wav", source="CLMR, TUNe")
LABELLED: tuple[Task, ...] = ("tagging", "zero-shot", "linear", "probing")
