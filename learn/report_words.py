"""The words of a report: a summary that says what was found, with figures, from the data of
`metrics.json`.
"""

from __future__ import annotations

import math
from typing import Any

from learn.labels import label

Data = dict[str, Any]


def summary(data: Data) -> list[str]:
    """Paragraphs of plain text."""
    found = [_what(data), _response(data)]
    found += [_condition(one, several=len(data["conditions"]) > 1) for one in data["conditions"]]
    found += [_undetermined(one, several=len(data["conditions"]) > 1) for one in data["conditions"]]
    return [text for text in found if text]


def _what(data: Data) -> str:
    corpus = data["corpus"]
    low, middle, high = corpus["particles"]
    which = ", ".join(f"“{one['label']}”" for one in data["conditions"])
    count = len(data["conditions"])
    subject = f"One estimator ({which}) was" if count == 1 else f"The estimators {which} were"
    return (
        f"{subject} tested on {data['settings']['test_samples']:,} aggregates of the corpus "
        f"“{corpus['name']}” ({corpus['samples']:,} samples) that took no part in training or calibration. "
        f"They have {low:.0f} to {high:.0f} particles (median {middle:.0f}); the median pixel is "
        f"{corpus['median_pixel_size_nm']:.2f} nm. In half of them more than one particle covers at least "
        f"{percent(data['overlap_in_projection']['median'], 0)} of the projected area."
    )


def _response(data: Data) -> str:
    checks = data["response_against_multislice"]
    if checks is None:
        if data["corpus"]["engine"] == "multislice":
            return "The images are multislice simulations themselves."
        return (
            "The images come from the response engine, and this corpus holds no multislice probes: "
            "how far they are from multislice is not known from it."
        )
    return " ".join(_channel(name, check) for name, check in checks.items())


def _channel(name: str, check: Data) -> str:
    off = 100 * (check["ratio"] - 1)
    direction = "more" if off >= 0 else "less"
    error = 100 * (check["ratio_standard_error"] or 0)
    words = (
        f"{name}: at {check['probes']:.0f} multislice probes ({check['places']:.0f} places on "
        f"{check['aggregates']:.0f} aggregates) the response images hold {abs(off):.1f} % {direction} signal "
        f"than multislice (standard error {error:.1f} %); the root mean square difference is "
        f"{number(check['rmse_over_sd'])} of the spread between places, so "
        f"{percent(check['unexplained'])} of the variance is unexplained"
    )
    corrected = check["unexplained_corrected"]
    if corrected is None:
        return words + "."
    if corrected <= 0:
        return words + ", which the scatter of the multislice probes themselves accounts for."
    return (
        words + f", {percent(corrected)} once the scatter of the multislice probes themselves is taken out."
    )


def _condition(condition: Data, several: bool) -> str:
    targets = condition["targets"]
    start = f"With “{condition['label']}”, the" if several else "The"
    best = sorted((t for t in targets if t["r2"]["value"] is not None), key=lambda t: -t["r2"]["value"])[:4]
    figures = ", ".join(f"{words(t)} {number(t['r2']['value'])}" for t in best)
    compared = [t for t in targets if t["baselines"]]
    through = [t for t in targets if t["beats_every_baseline_through_model"] is not None]
    text = (
        f"{start} best determined targets are, by R²: {figures}. The direct prediction beats every baseline "
        f"(paired, 95 %) on {len(condition['beats_every_baseline'])} of {len(compared)} targets"
    )
    if through:
        count = len(condition["beats_every_baseline_through_model"])
        text += f", the prediction through redrawn aggregates on {count} of {len(through)}"
    covers = [t["coverage_90"]["value"] for t in targets if t["coverage_90"]["value"] is not None]
    if covers:
        text += f". The stated 90 % intervals cover {percent(min(covers))} to {percent(max(covers))}"
    unlike = condition["unlike_training_share"]
    return text + f"; {percent(unlike)} of the images are flagged as unlike the training data."


def _undetermined(condition: Data, several: bool) -> str:
    where = f"With “{condition['label']}”, the" if several else "The"
    missed = [t for t in condition["targets"] if t["verdict"] == "missed"]
    nothing = [t for t in condition["targets"] if t["verdict"] == "undetermined"]
    known = [t for t in condition["targets"] if t["r2"]["value"] is not None]
    if nothing:
        listed = ", ".join(words(t) for t in nothing)
        text = (
            f"{where} image does not determine: {listed} (neither the estimator nor a baseline has "
            "an R² above 0.1 with 95 % confidence)."
        )
    else:
        least = ", ".join(
            f"{words(t)} {number(t['r2']['value'])}"
            for t in sorted(known, key=lambda t: t["r2"]["value"])[:2]
        )
        text = f"{where} image says something about every target; least about, by R²: {least}."
    if missed:
        listed = ", ".join(words(t) for t in missed)
        text += f" The estimator misses what others find about: {listed}."
    return text


def words(target: Data) -> str:
    """The target's name in words."""
    return label(target["name"], shared_cluster_size=True)


def typical_error(target: Data) -> str:
    """Root mean square error: in per cent for targets on a logarithmic scale, else in the target's unit."""
    return _error(target, (target["rmse_on_scale"] if target["scale"] == "log" else target["rmse"])["value"])


def bin_error(target: Data, one: Data) -> str:
    """The same within one bin of size or overlap."""
    return _error(target, one["rmse_on_scale"]["value"])


def _error(target: Data, value: float | None) -> str:
    if value is None:
        return "–"
    if target["scale"] == "log":
        return f"{100 * math.expm1(value):.0f} %"
    unit = "" if target["unit"] in ("", "1") else f" {target['unit']}"
    return significant(value, 2) + unit


def best_baseline(target: Data) -> tuple[str, Data] | None:
    """The baseline with the largest R2, and its data."""
    known = {k: v for k, v in target["baselines"].items() if v["r2"]["value"] is not None}
    return max(known.items(), key=lambda item: item[1]["r2"]["value"]) if known else None


def number(value: float | None, digits: int = 2) -> str:
    """A number with so many decimals, with a true minus sign; a dash for none."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) != 0 else text.replace("-", "")


def significant(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits, never with an exponent for large ones; a dash for none."""
    if value is None:
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:#.{digits}g}".rstrip(".")
    return text.replace("-", "−")


def percent(value: float | None, digits: int = 1) -> str:
    """A share in per cent; a dash for none."""
    return "–" if value is None else f"{number(100 * value, digits)} %"


def interval(estimate: Data, digits: int = 2) -> str:
    """The confidence interval of an estimate, as `low … high`."""
    return f"{number(estimate['low'], digits)} … {number(estimate['high'], digits)}"
