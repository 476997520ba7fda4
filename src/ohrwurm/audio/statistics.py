"""Mean and deviation of a corpus' features, by which models normalise their input, in the published file format.

The format is MusicFM's (`msd_stats.json`, `fma_stats.json`): one flat JSON object with `<feature>_cnt`,
`<feature>_mean` and `<feature>_std` for each feature, e.g. `melspec_2048_mean`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ohrwurm.atomic import write_text


@dataclass(frozen=True)
class Moments:
    """Count, mean and spread of numbers, in float64; of two parts together by `+`, without having seen all at once.

    Attributes:
        count: how many numbers.
        mean: of them.
        squares: sum of their squared distances from the mean.

    Source: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979
    (Welford's algorithm, part by part).

    >>> import torch
    >>> together = Moments.of(torch.tensor([1.0, 2.0])) + Moments.of(torch.tensor([6.0]))
    >>> together.count, together.mean, round(together.std, 4)
    (3, 3.0, 2.1602)
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @classmethod
    def of(cls, x: Tensor) -> Moments:
        """Those of all numbers of a tensor."""
        if x.numel() == 0:
            return cls()
        values = x.double()
        mean = values.mean()
        return cls(x.numel(), float(mean), float((values - mean).square().sum()))

    def __add__(self, other: Moments) -> Moments:
        count = self.count + other.count
        if count == 0:
            return Moments()
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.count / count)
        return Moments(count, mean, self.squares + other.squares + apart**2 * (self.count * (other.count / count)))

    @property
    def std(self) -> float:
        """Standard deviation of the numbers themselves (not an estimate for others); 0 where there are none."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0


def write_statistics(file: str | Path, features: Mapping[str, Moments]) -> None:
    """Write the moments of features by name; `ohrwurm.models.musicfm.read_statistics` reads them, as the original does.

    >>> import tempfile
    >>> file = tempfile.mkdtemp() + "/stats.json"
    >>> write_statistics(file, {"melspec_2048": Moments(2, 6.5, 8.0)})
    >>> json.loads(Path(file).read_text())
    {'melspec_2048_cnt': 2, 'melspec_2048_mean': 6.5, 'melspec_2048_std': 2.0}
    """
    content: dict[str, float] = {}
    for name, moments in features.items():
        content |= {f"{name}_cnt": moments.count, f"{name}_mean": moments.mean, f"{name}_std": moments.std}
    write_text(file, json.dumps(content, indent=2) + "\n")
