"""What was asked for and whether it was reached: against the baselines, another model, published figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from learn.scores import Estimate

from .analysis import Comparison, TextureAnalysis, figure_by_key
from .published import OURS
from .scores import Figure

NAMES = {
    "f_mse_mean": "mean f-space MSE",
    "f_mse_median": "median f-space MSE",
    "data_mse_mean": "mean data-space MSE",
    "data_mse_median": "median data-space MSE",
    "orientation_kept": "orientation kept",
    "orientation_difference_median": "median difference of orientation",
    "coherence_mean": "mean coherence",
    "count_kept": "line count kept",
    "relative_volume_difference_mean": "mean volume-fraction difference",
    "relative_volume_difference_median": "median volume-fraction difference",
    "volume_difference_mean": "mean absolute volume-fraction difference",
}


@dataclass(frozen=True)
class Verdict:
    """One target: `met` as measured, `certain` if the whole interval is on that side. interval: 95 % for one
    model, the smallest and largest for several; value and target in the figure's own unit.
    """

    target: str
    value: float
    low: float
    high: float
    wanted: float
    met: bool
    certain: bool
    statement: str


def verdicts(analysis: TextureAnalysis) -> list[Verdict]:
    """Every target that applies: first those against the other methods, then the published figures."""
    found = [_against(one) for one in analysis.comparisons]
    if analysis.published is not None:
        for key, wanted in analysis.published.figures.get(OURS, {}).items():
            found.append(_published(analysis, figure_by_key(key), wanted))
    return found


def plain_verdict(verdict: Verdict) -> dict[str, Any]:
    """As data."""
    return dict(vars(verdict))


def _against(one: Comparison) -> Verdict:
    ratio = one.f_mse_ratio
    met = ratio.value < 1
    certain = one.nearer is not None
    statement = f"{share_of(ratio.value)} the mean f-space MSE of “{one.other}”" + _doubt(certain)
    return Verdict(
        f"nearer in f than “{one.other}”", ratio.value, ratio.low, ratio.high, 1.0, met, certain, statement
    )


def _published(analysis: TextureAnalysis, figure: Figure, wanted: float) -> Verdict:
    found = headline_estimate(analysis, figure)
    sign = 1 if figure.smaller_is_better else -1
    met = sign * (found.value - wanted) <= 0
    certain = found.high < wanted or found.low > wanted
    if figure.statistic == "share":
        more = found.value >= wanted
        amount = f"{100 * abs(found.value - wanted):.1f} points {'above' if more else 'below'}"
        text = f"{100 * found.value:.1f} %, {amount} the published {100 * wanted:.0f} %"
    else:
        ratio = share_of(found.value / wanted)
        text = f"{shown(figure, found.value)}, {ratio} the published {shown(figure, wanted)}"
    statement = f"{NAMES[figure.key]} {text}" + _doubt(certain)
    return Verdict(
        f"{NAMES[figure.key]} as published",
        found.value,
        found.low,
        found.high,
        wanted,
        met,
        certain,
        statement,
    )


def share_of(ratio: float | None) -> str:
    """A ratio in words: a share up to twice as much, a multiple beyond; none to what is without error."""
    if ratio is None or not math.isfinite(ratio):
        return "no finite multiple of"
    return f"{100 * ratio:.0f} % of" if ratio < 2 else f"{ratio:.1f} times"


def _doubt(certain: bool) -> str:
    return "" if certain else "; within the uncertainty there is no difference"


def headline_estimate(analysis: TextureAnalysis, figure: Figure) -> Estimate:
    """A figure of the first group: with its 95 % interval for one model, else the mean, smallest and
    largest.
    """
    group = analysis.groups[0]
    if len(group.members) == 1:
        return analysis.method(group.members[0]).figure(figure, analysis.threshold)
    return Estimate(group.figures[figure.key], *group.spread[figure.key])


def shown(figure: Figure, value: float) -> str:
    """A value of a figure of merit with its unit, for sentences."""
    if figure.column == "f_mse":
        return f"{1e5 * value:.2f} × 10⁻⁵"
    if figure.column in ("relative_volume_difference", "orientation_kept", "count_kept"):
        return f"{100 * value:.1f} %"
    if figure.column == "orientation_difference":
        return f"{value:.1f}°"
    return f"{value:.4f}"
