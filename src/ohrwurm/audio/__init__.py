"""Audio: files → waveforms → features. Knows nothing of models.

Decoding: `ohrwurm.audio.files` (trusted files, in this process) and `ohrwurm.audio.isolation` (anything else, in a
child process). Cutting: `ohrwurm.audio.windows`. Nothing is imported here: the decoding child must start fast and
never load torch.
"""
