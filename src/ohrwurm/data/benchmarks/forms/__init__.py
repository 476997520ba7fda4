"""Layouts that one published system gives to many data sets, one file a system; and how others keep audio."""

from __future__ import annotations

from ohrwurm.data.benchmarks.base import AudioForm

CLMR_AUDIO = AudioForm(22050, "wav", source="CLMR, TUNe")
