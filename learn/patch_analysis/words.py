"""The words of a report on patch autoencoders, from the data of `metrics.json`."""

from __future__ import annotations

from typing import Any

from learn.report_words import number, percent

from .truth_scores import KINDS

Data = dict[str, Any]
QUANTITIES = {"rotation": "rotation of the lattice", "polarization": "direction of the polarization"}


def summary(data: Data) -> list[str]:
    """Paragraphs of plain text."""
    return [_what(data), *(_model(one) for one in data["models"]), *_angles(data), *_groups(data)]


def _what(data: Data) -> str:
    first, images = data["models"][0], data["micrographs"]
    known = sum(one["truth"] for one in images)
    count = len(images)
    told = "the truth of all is known" if known == count else f"the truth of {known} of them is known"
    if count == 1:
        told = "its truth is known" if known else "nothing is known of its truth"
    h, w = first["window_px"]
    return (
        f"{first['patches']:,} windows of {w} x {h} pixels ({w * first['pixel_size_nm']:.2f} nm) of "
        f"{'one micrograph' if count == 1 else f'{count} micrographs'}; {told}."
    )


def _model(one: Data) -> str:
    config = one["config"]
    free = ", ".join(config["invariances"]) or "none"
    size = len(one["kl_nats"])
    return (
        f"“{one['name']}” describes a patch by {size} latent number{'s' if size > 1 else ''}, of which "
        f"{one['active']} {'is' if one['active'] == 1 else 'are'} in use, beside a pose of: {free}. Its "
        f"reconstructions leave {percent(one['unexplained_mean'])} of the patches' scatter unexplained "
        f"(half of them less than {percent(one['unexplained_median'])})."
    )


def _angles(data: Data) -> list[str]:
    found = []
    for one in data["models"]:
        for angle in one["angles"]:
            score, inside = angle["score"], angle["inside_one_region"]
            median, p90 = number(score["median_degrees"]), number(score["p90_degrees"])
            text = (
                f"“{one['name']}”: its angle gives the {QUANTITIES[angle['quantity']]} with a median error "
                f"of {median}° (90 % within {p90}°; chance: {number(score['chance_median_degrees'], 0)}°)"
            )
            if inside is not None:
                text += f", {number(inside['median_degrees'])}° where the window lies within one region"
            fit = (
                "fitted on other micrographs"
                if angle["fitted_elsewhere"]
                else "fitted on these very patches, which flatters it a little"
            )
            found.append(text + f". Zero and sense were {fit}.")
    return found


def _groups(data: Data) -> list[str]:
    rows = score_rows(data)
    found = []
    for kind, words in KINDS.items():
        known = [(row, row["scores"][kind]) for row in rows if kind in row["scores"]]
        known = [(row, score) for row, score in known if score["adjusted_rand"] is not None]
        if known:
            row, best = max(known, key=lambda pair: pair[1]["adjusted_rand"])
            text = (
                f"Of {best['regions']} {words}, groups by {row['features']} of “{row['name']}” agree best "
                f"with the truth: adjusted Rand index {number(best['adjusted_rand'])}"
            )
            walls = best["walls"]
            if walls and walls["f1"] is not None:
                text += (
                    f"; their walls are {number(walls['found_length_nm'], 1)} nm long, the true ones "
                    f"{number(walls['true_length_nm'], 1)} nm, F1 {number(walls['f1'])}"
                )
            found.append(text + ".")
    return found


def score_rows(data: Data) -> list[Data]:
    """A row for each model and features, the patches themselves last: name, features, scores by kind."""
    rows = [
        {"name": one["name"], "features": group["features"], "group": group}
        for one in data["models"]
        for group in one["groupings"]
    ]
    rows += [
        {"name": "no model", "features": "principal components of the patches", "group": group}
        for group in data["baselines"]
    ]
    for row in rows:
        row["scores"] = {score["kind"]: score for score in row["group"]["scores"]}
    return rows
