"""Does the reward choose what the truth would?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .rows import Row, by_reward


@dataclass(frozen=True)
class Verdict:
    """The reward beside one score against the truth, over the rows that have it.

    rank_correlation: Spearman's, of reward and score; p_value: the share of `ROUNDS` random orders of the
    rewards whose correlation is as large or larger (rows of one representation are not independent, so it
    flatters). chosen, best, median: the score of the row with the largest reward, the largest score, the
    median score; better_than: the share of the other rows that score lower than the chosen one.
    """

    score: str
    rows: int
    rank_correlation: float
    p_value: float
    chosen: float
    best: float
    median: float
    better_than: float
    chosen_row: str
    best_row: str

    @property
    def text(self) -> str:
        """One sentence."""
        order = f"rank correlation {self.rank_correlation:+.2f} (p = {self.p_value:.3f}, {self.rows} rows)"
        return (
            f"{self.score}: the reward chooses {self.chosen:.3f} ({self.chosen_row}); the truth would choose "
            f"{self.best:.3f} ({self.best_row}); the median row has {self.median:.3f}; "
            f"{self.better_than:.0%} of rows score below the chosen one; {order}."
        )


ROUNDS = 2000


def verdicts(rows: Sequence[Row], seed: int = 0) -> list[Verdict]:
    """One for each score that at least three rows have and that differs between them."""
    names = dict.fromkeys(name for row in rows for name in row.scores)
    found = []
    for name in names:
        known = [row for row in by_reward(rows) if name in row.scores]
        scores = np.array([row.scores[name] for row in known])
        if len(known) >= 3 and np.ptp(scores) > 1e-9:
            found.append(_verdict(name, known, scores, seed))
    return found


def _verdict(name: str, known: list[Row], scores: np.ndarray, seed: int) -> Verdict:
    from scipy.stats import rankdata

    first, second = rankdata([row.reward for row in known]), rankdata(scores)
    first, second = first - first.mean(), second - second.mean()
    size = np.sqrt((first**2).sum() * (second**2).sum())
    correlation = float(first @ second / size) if size > 0 else float("nan")
    rng = np.random.default_rng(seed)
    drawn = np.array([rng.permutation(first) @ second for _ in range(ROUNDS)]) / max(size, 1e-12)
    return Verdict(
        name,
        len(known),
        correlation,
        float((1 + (drawn >= correlation - 1e-12).sum()) / (1 + ROUNDS)),
        float(scores[0]),
        float(scores.max()),
        float(np.median(scores)),
        float((scores[1:] < scores[0]).mean()),
        known[0].words,
        known[int(scores.argmax())].words,
    )
