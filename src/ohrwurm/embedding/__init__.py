"""Files → vectors, of one file or many, in memory or in one output file.

`files` is the way of one file through one or several models; `many` is `ohrwurm.embed`; `job` embeds any number of
files into one output (`ohrwurm embed`), which `output` reads.
"""

from __future__ import annotations

from ohrwurm.embedding.files import FileEmbedding, Timing, embed_file, shared_lock, try_file
from ohrwurm.embedding.job import Report, embed_to_file
from ohrwurm.embedding.many import embed
from ohrwurm.embedding.output import EmbeddingTable, read_embeddings

__all__ = [
    "EmbeddingTable",
    "FileEmbedding",
    "Report",
    "Timing",
    "embed",
    "embed_file",
    "embed_to_file",
    "read_embeddings",
    "shared_lock",
    "try_file",
]
