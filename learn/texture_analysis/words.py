"""The words of a report on texture autoencoders, with figures, from the data of `metrics.json`."""

from __future__ import annotations

from typing import Any

from learn.report_words import number, percent

from .verdicts import share_of

Data = dict[str, Any]


def summary(data: Data) -> list[str]:
    """Paragraphs of plain text."""
    found = [_what(data), _headline(data), _others(data), _latents(data), _samples(data), _published(data)]
    return [text for text in found if text]


def _what(data: Data) -> str:
    test, train = data["textures"]["test"], data["textures"]["train"]
    low, middle, high = test["volume_fraction"]
    ny, nx = test["shape"]
    text = (
        f"{test['images']:,} test textures of “{test['name']}”, {nx} x {ny} pixels, beside "
        f"{train['images']:,} training textures. Phase 1 fills {percent(low)} to {percent(high)} of an image "
        f"(median {percent(middle)})"
    )
    if test["count"]:
        text += f", in {test['count'][0]:.0f} to {test['count'][2]:.0f} lines"
    if test["without_phase"]:
        text += f"; {test['without_phase']} images hold none of it and have no relative difference of it"
    return text + "."


def _headline(data: Data) -> str:
    group = data["groups"][0]
    runs = len(group["members"])
    of = f"“{group['label']}”" + (f" (mean of {runs} runs)" if runs > 1 else "")
    figures = {key: one["mean"] for key, one in group["figures"].items()}
    mean, middle = scaled(figures["f_mse_mean"]), scaled(figures["f_mse_median"])
    text = f"{of} reaches a mean f-space MSE of {mean}, median {middle}"
    kept = []
    if figures["orientation_kept"] is not None:
        kept.append(f"the orientation of {percent(figures['orientation_kept'])}")
    if figures["count_kept"] is not None:
        kept.append(f"the number of lines of {percent(figures['count_kept'])} of the images")
    if kept:
        text += f"; cut at {data['settings']['threshold']:g} it keeps {' and '.join(kept)}"
    elif figures["orientation_difference_median"] is not None:
        text += f"; the orientation is off by {number(figures['orientation_difference_median'], 1)}° (median)"
    volume = figures["relative_volume_difference_mean"]
    return text + f". The volume fraction is off by {percent(volume)} on average."


def _others(data: Data) -> str:
    nearer = [one for one in data["comparisons"] if one["nearer"] is True]
    farther = [one for one in data["comparisons"] if one["nearer"] is False]
    open_ones = [one for one in data["comparisons"] if one["nearer"] is None]

    def listed(ones: list[Data]) -> str:
        return "; ".join(
            f"“{one['other']}” ({share_of(one['f_mse_ratio']['value'])} its MSE)" for one in ones
        )

    parts = []
    if nearer:
        parts.append(f"In statistics space it is nearer to the originals than {listed(nearer)}.")
    if farther:
        parts.append(f"Nearer than it {'is' if len(farther) == 1 else 'are'}: {listed(farther)}.")
    if open_ones:
        parts.append(f"No difference is certain to {listed(open_ones)}.")
    return " ".join(parts)


def _latents(data: Data) -> str:
    one = data["latents"][data["headline"]]
    kl = one["total_kl_nats"]["value"]
    return (
        f"{one['active']} of its {one['of']} latent numbers are in use; a code says {number(kl, 1)} nats "
        f"({number(kl / 0.6931471805599453, 1)} bits) about its image."
    )


def _samples(data: Data) -> str:
    one, own = data["samples"][data["headline"]], data["originals"]
    text = f"Of {one['images']:,} images drawn from its prior "
    if one["line_textures"] is not None:
        text += (
            f"{percent(one['line_textures'], 0)} are line textures (of the originals "
            f"{percent(own['line_textures'], 0)}) and "
        )
    return text + (
        f"{percent(one['like_originals'], 0)} read like the originals in every respect (of these "
        f"{percent(own['like_originals'], 0)}). In f their median distance to the nearest training texture "
        f"is {scaled(one['nearest_f_mse_median'])}, that of test textures "
        f"{scaled(own['nearest_f_mse_median'])}."
    )


def _published(data: Data) -> str:
    verdicts = [one for one in data["verdicts"] if one["target"].endswith("as published")]
    if not verdicts:
        return ""
    met = [one for one in verdicts if one["met"]]
    text = f"Of the {len(verdicts)} published figures for such textures {len(met)} are reached"
    missed = [one["statement"] for one in verdicts if not one["met"]]
    return text + (f"; missed: {'; '.join(missed)}." if missed else ".")


def scaled(value: float | None, digits: int = 2) -> str:
    """An f-space MSE in its usual unit."""
    return "–" if value is None else f"{number(1e5 * value, digits)} × 10⁻⁵"


def hundred_thousandths(value: float | None, digits: int = 2) -> str:
    """The same where the heading of a column has the unit."""
    return "–" if value is None else number(1e5 * value, digits)


def spread(estimate: Data | None, kind: str) -> str:
    """The interval of an estimate in the unit of its column: "f_mse", "share", "percent", "degrees" or
    "plain".
    """
    if estimate is None or estimate["low"] is None:
        return ""
    if kind == "percent" and 100 * estimate["high"] >= 10:  # tenths would say more than is known
        return f"{number(100 * estimate['low'], 0)} … {number(100 * estimate['high'], 0)}"
    return f"{in_unit(estimate['low'], kind)} … {in_unit(estimate['high'], kind)}"


def in_unit(value: float | None, kind: str) -> str:
    """A value in the unit of its column, without the unit."""
    if value is None:
        return "–"
    if kind == "f_mse":
        return hundred_thousandths(value)
    if kind == "percent":
        return number(100 * value, 1)
    return number(value, {"degrees": 1, "plain": 3, "data": 4}[kind])
