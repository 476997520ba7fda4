"""Which probes of a grid need not be trained, because they cannot be hoped to win.

Most of a sweep's time goes into probes that lose: those of the lowest rate take five times as many steps as the others
and seldom end above them, and decay hardly moves a score. A race trains the grid best first. Probes that differ in
nothing but rate and decay are a family, and what is trained of it gives each of the others a *hope*:

* a lower rate: the score of the next higher rate, plus what that one gained over the rate above it (if anything), plus
  what lowering the rate gains by chance;
* a stronger decay: the score with the weakest decay at that rate, plus the most that decay gained anywhere in the
  family (if anything), plus what decay gains by chance.

What is gained by chance is measured in the sweep itself, over all families trained so far: the mean gain and
`DEVIATIONS` standard deviations, and no less than one item of the validation split. So each family tells its own trend,
all of them tell how far a trend is to be trusted, and where scores scatter, more is trained. A lowering that fewer than
`PAIRS` families have been through counts like the one before it.

The race is over when no untrained probe hopes to beat the best trained one. Nothing is cut short: every probe that is
trained runs to its published end, so the winner's weights and numbers are those of the whole sweep. What is measured
and not guaranteed is that no probe passed over would have surpassed its hope (docs/evaluation.md has the figures).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ohrwurm.evaluation.protocols.probe_grid import ProbeConfig

DEVIATIONS = 3.0
PAIRS = 8  # so many gains must have been measured before anything is passed over because of them
Scores = NDArray[np.float64]


class Race:
    """Chooses the probes to be trained next.

    Args:
        configs: all probes, in the order that decides between equals.
        least: gain by chance to allow for at least: one item of the validation split.

    Nothing here depends on decay, and lower rates are worse, so few probes are enough:

    >>> from ohrwurm.evaluation.protocols.probe_grid import grid
    >>> configs = grid("gtzan_ff", "clmr")
    >>> truth = np.array([c.dropout_p + 50 * c.learning_rate for c in configs])
    >>> race, scores = Race(configs, least=0.001), np.full(216, np.nan)
    >>> while rows := race.choose(scores):
    ...     scores[rows] = truth[rows]
    >>> bool(np.nanmax(scores) == truth.max()), int(np.isfinite(scores).sum())
    (True, 64)
    """

    def __init__(self, configs: Sequence[ProbeConfig], least: float) -> None:
        self.least = least
        kinds = [(-c.learning_rate, c.hidden_layer_sizes, c.batch_size) for c in configs]
        self.costs = np.array([sorted(set(kinds)).index(kind) for kind in kinds])
        families: dict[ProbeConfig, list[int]] = defaultdict(list)
        for row, c in enumerate(configs):
            families[replace(c, learning_rate=1.0, l2_weight_decay=None)].append(row)
        # Of each family one list a rate, the highest first: rows by decay, the weakest first.
        self.families: list[list[list[int]]] = []
        for rows in families.values():
            rates = sorted({configs[row].learning_rate for row in rows}, reverse=True)
            decays = sorted(rows, key=lambda row: configs[row].l2_weight_decay or 0.0)
            self.families.append([[row for row in decays if configs[row].learning_rate == rate] for rate in rates])

    def choose(self, scores: Scores) -> list[int]:
        """Rows of the probes to train next, given the best validation scores of all `(configs,)`, NaN where untrained.

        None when the race is over. Of those that may win the cheapest come first, by rate, shape and batch size: what
        they reach leaves less hope to the rest, and tells more about it.
        """
        hopes, trained = self.hopes(scores), np.isfinite(scores)
        for some in (slice(2), slice(2, None)):  # a trend needs two rates; too few families tell none
            leads = [rate[0] for family in self.families for rate in family[some]]
            if unknown := [row for row in leads if hopes[row] == np.inf]:
                return sorted(unknown)
        if unknown := np.flatnonzero(hopes == np.inf).tolist():  # what decay gains is not known yet: try the best
            pilots = [(scores[family[0][0]], family[0][-1]) for family in self.families if not trained[family[0][-1]]]
            return sorted(row for _, row in sorted(pilots, reverse=True)[:PAIRS]) or unknown
        best, first = np.nanmax(scores), int(np.nanargmax(scores))
        may_win = ~trained & ((hopes > best) | (hopes == best) & (np.arange(len(hopes)) < first))
        for rate in (rate for family in self.families for rate in family):
            if may_win[rate[0]]:
                may_win[rate[1:]] = False  # what it reaches tells more
        if not may_win.any():
            return []
        return np.flatnonzero(may_win & (self.costs == self.costs[may_win].min())).tolist()

    def hopes(self, scores: Scores) -> Scores:
        """The score of each trained probe, and the most that each other one is hoped to reach; infinite if unknown."""
        by_rate: list[float] = [np.inf]  # what each lowering gains by chance, at first as much as the one before
        for i in range(1, max(map(len, self.families))):
            chance = self._chance([scores[f[i][0]] - scores[f[i - 1][0]] for f in self.families if len(f) > i])
            by_rate.append(chance if chance < np.inf else by_rate[-1])
        by_decay = self._chance([gain for family in self.families for gain in _decay_gains(family, scores)])
        hopes = np.where(np.isfinite(scores), scores, np.inf)
        for family in self.families:
            gained = max([0.0, *(g for g in _decay_gains(family, scores) if np.isfinite(g))])
            for i, rate in enumerate(family):
                lead = rate[0]
                if np.isnan(scores[lead]) and i > 1:
                    higher, highest = hopes[family[i - 1][0]], hopes[family[i - 2][0]]
                    if higher < np.inf:
                        hopes[lead] = higher + max(0.0, higher - highest) + by_rate[i]
                for row in rate[1:]:
                    if np.isnan(scores[row]):
                        hopes[row] = hopes[lead] + gained + by_decay
        return hopes

    def _chance(self, gains: Sequence[float]) -> float:
        known = np.array([g for g in gains if np.isfinite(g)])
        if len(known) < PAIRS:
            return np.inf
        return max(self.least, float(known.mean() + DEVIATIONS * known.std()))


def _decay_gains(family: list[list[int]], scores: Scores) -> list[float]:
    """Of each stronger decay over the weakest one at its rate; NaN where one of the two is not trained."""
    return [float(scores[row] - scores[rate[0]]) for rate in family for row in rate[1:]]
