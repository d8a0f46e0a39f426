"""Reference probes beside a response corpus: how far its images are from multislice.

For some samples, `places` pixels that hold material are drawn, and in each of them `positions` points,
because a single probe of a crystal scatters by 10-30 % with its position between the columns. The multislice
engine gives the intensity at each point, the corpus' engine its own at the same points. Which samples and
points is a function of the recipe and the number of samples alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray

from simulate.aggregate_recipe import AggregateRecipe
from simulate.devices import CPU
from simulate.engines.base import make_engine
from simulate.fft_plans import with_plans
from simulate.realise import Realisation, realise, seed_of
from simulate.recipe_settings import SPLITS
from stochgeom.errors import UserError
from stochgeom.projection import chord_lengths

PROBES_STAGE, CHOICE_STAGE = 5, 6
BOOTSTRAPS = 1000


def probed_samples(recipe: AggregateRecipe, samples: int) -> NDArray[np.int64]:
    """Samples whose aggregates are probed, in order of the tasks: test samples if there are enough, else
    any.
    """
    assert recipe.validation is not None
    count = recipe.validation.aggregates
    if count > samples:
        raise UserError(f"validation.aggregates = {count}: the corpus has only {samples} samples")
    splits = recipe.split.pattern[np.arange(samples) % len(recipe.split.pattern)]
    test = np.flatnonzero(splits == SPLITS.index("test"))
    candidates = test if len(test) >= count else np.arange(samples)
    rng = default_rng(seed_of(recipe, 0, CHOICE_STAGE))
    return np.asarray(rng.choice(candidates, size=count, replace=False), np.int64)


def probe_points(made: Realisation, recipe: AggregateRecipe) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points (places x positions, 2) as (row, column) in pixels, and the place (0, 1, ...) of each."""
    settings = recipe.validation
    assert settings is not None
    thickness = chord_lengths(made.aggregate, made.field).sum(axis=0)
    material = np.argwhere(thickness >= settings.min_thickness_nm)
    if len(material) < settings.places:
        raise UserError(
            f"validation.places = {settings.places}: sample {made.index} has only {len(material)} pixels "
            f"of at least validation.min_thickness_nm = {settings.min_thickness_nm:g}"
        )
    rng = default_rng(seed_of(recipe, made.index, PROBES_STAGE))
    pixels = material[rng.choice(len(material), size=settings.places, replace=False)]
    spread = min(1.0, settings.spread_nm / made.field.pixel_size_nm)
    offsets = spread * (rng.random((settings.places, settings.positions, 2)) - 0.5)
    points = (pixels[:, None, :] + offsets).reshape(-1, 2)
    return points, np.repeat(np.arange(settings.places), settings.positions)


def in_nm(made: Realisation, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (p, 2), (row, column) in pixels, as x and y in nm: pixel i is centred at origin + i sizes."""
    return np.array(made.field.origin_nm) + points[:, ::-1] * made.field.pixel_size_nm


def probe_aggregate(
    recipe: AggregateRecipe, samples: int, task: int, folder: Path | None = None, device: str = CPU
) -> dict[str, NDArray[Any]]:
    """Columns of the `validation` group for one aggregate; `folder`: where the corpus keeps its FFT plans;
    `device` as of `make_engine`.
    """
    settings = recipe.validation
    assert settings is not None
    made = realise(recipe, int(probed_samples(recipe, samples)[task]))
    points, place = probe_points(made, recipe)
    points_nm = in_nm(made, points)
    engines = [make_engine(chosen, device) for chosen in (settings.engine, recipe.engine_settings)]
    engines = engines if folder is None else [with_plans(engine, folder) for engine in engines]
    reference, response = (e.probes(made.scene, recipe.microscope, points_nm) for e in engines)
    by_place = reference.reshape(settings.places, settings.positions, -1)
    error = by_place.std(axis=1, ddof=1) / np.sqrt(settings.positions)
    return {
        "sample": np.full(len(points), made.index, np.int32),
        "y": points[:, 0],
        "x": points[:, 1],
        "place": (place + task * settings.places).astype(np.int32),
        "intensity": reference,
        "standard_error": np.repeat(error, settings.positions, axis=0),
        "response": response,
    }


def summarise(columns: dict[str, NDArray[Any]], channel: int = 0, seed: int = 0) -> dict[str, float]:
    """How far the response is from the reference, over places (means of their probes), for one channel.

    ratio: sum of the response over sum of the reference, with its standard error by resampling whole
    aggregates.
    rmse_over_sd: root mean square difference over the standard deviation of the reference between places.
    unexplained: 1 - R2 as it is; unexplained_corrected: with the reference's own variance (its standard error
    squared) taken out of both the difference and the spread, NaN where that leaves no spread.
    """
    place, first, inverse = np.unique(columns["place"], return_index=True, return_inverse=True)
    counts = np.bincount(inverse)
    reference = np.bincount(inverse, columns["intensity"][:, channel]) / counts
    response = np.bincount(inverse, columns["response"][:, channel]) / counts
    noise = float(np.mean(columns["standard_error"][first, channel] ** 2))
    aggregate = columns["sample"][first]
    difference, spread = float(np.mean((response - reference) ** 2)), float(np.var(reference))
    left = spread - noise
    return {
        "aggregates": float(len(np.unique(aggregate))),
        "places": float(len(place)),
        "probes": float(len(columns["place"])),
        "ratio": float(response.sum() / reference.sum()),
        "ratio_standard_error": _ratio_error(reference, response, aggregate, seed),
        "rmse_over_sd": float(np.sqrt(difference / spread)) if spread > 0 else float("nan"),
        "unexplained": difference / spread if spread > 0 else float("nan"),
        "unexplained_corrected": (difference - noise) / left if left > 0 else float("nan"),
    }


def _ratio_error(
    reference: NDArray[np.float64], response: NDArray[np.float64], aggregate: NDArray[Any], seed: int
) -> float:
    """Standard error of the ratio of sums: aggregates are drawn again with replacement."""
    _, group = np.unique(aggregate, return_inverse=True)
    sums = np.stack([np.bincount(group, response), np.bincount(group, reference)], axis=1)
    drawn = default_rng(seed).integers(len(sums), size=(BOOTSTRAPS, len(sums)))
    totals = sums[drawn].sum(axis=1)
    return float(np.std(totals[:, 0] / totals[:, 1], ddof=1))
