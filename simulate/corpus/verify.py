"""Checks a corpus: complete, in range, consistent, and the same when recomputed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray

from simulate.corpus.layout import processor, shard_range, versions
from simulate.corpus.reader import Corpus
from simulate.realise import Sample, render
from stochgeom.errors import UserError

OTHER_PROCESSOR_TOLERANCE = 1e-4
"""Largest difference of a recomputed sample, relative to the array's largest value, on another kind of
processor.
"""


@dataclass
class Verification:
    """What was checked and what was found; `problems` is empty when all is well."""

    samples: int = 0
    finished: int = 0
    recomputed: list[int] = field(default_factory=list)
    largest_difference: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


def verify(corpus: Corpus, recompute: int = 3, seed: int | None = None) -> Verification:
    """Check completeness, ranges, finite values and identities, and recompute `recompute` random samples.

    Recomputed samples must agree bit by bit on the processor model that made the corpus with the same
    versions, and within 1e-4 elsewhere. `seed` picks the samples; None picks others every time.
    """
    found = Verification(samples=len(corpus), finished=len(corpus.indices()))
    if found.finished < found.samples:
        found.problems.append(f"{found.samples - found.finished} of {found.samples} samples are not made yet")
    for shard in np.flatnonzero(corpus.finished):
        try:
            found.problems += check_shard(corpus, int(shard))
        except UserError as error:
            found.problems.append(str(error))
    found.problems += check_probes(corpus)
    if recompute > 0 and found.ok and found.finished:
        _recompute(corpus, found, recompute, seed)
    return found


def check_probes(corpus: Corpus) -> list[str]:
    """What is wrong with the reference probes, as lines; none where the recipe asks for none."""
    if corpus.recipe.validation is None:
        return []
    try:
        missing = int((corpus.array("validation/status")[:] != 1).sum())
        if missing:
            return [f"the reference probes of {missing} aggregates are not made yet"]
        names = ("intensity", "response", "standard_error")
        return [
            f"validation/{name}: values that are not fractions of the beam"
            for name in names
            if not _fractions(corpus.array(f"validation/{name}")[:])
        ]
    except UserError as error:
        return [str(error)]


def _fractions(values: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(values).all() and (values >= 0).all() and (values <= 1).all())


def check_shard(corpus: Corpus, shard: int) -> list[str]:
    """What is wrong with the samples of one shard, as lines."""
    owned = shard_range(shard, len(corpus), corpus.recipe.samples_per_shard)
    rows = slice(owned.start, owned.stop)
    images = np.asarray(corpus.images[rows])
    where = f"shard {shard} (samples {owned.start} to {owned.stop - 1})"
    problems = []
    if not np.isfinite(images).all():
        problems.append("images: not finite")
    elif images.min() < 0 or images.max() > 1:
        problems.append(f"images: {images.min():.3g} to {images.max():.3g} outside 0 to 1")
    problems += _check_truth(corpus, rows)
    return [f"{where}: {problem}" for problem in problems]


def _check_truth(corpus: Corpus, rows: slice) -> list[str]:
    parameters, descriptors = np.asarray(corpus.parameters[rows]), np.asarray(corpus.descriptors[rows])
    counts, particles = np.asarray(corpus.n_particles[rows]), np.asarray(corpus.particles[rows])
    pixels, splits = np.asarray(corpus.pixel_size[rows]), np.asarray(corpus.split[rows])
    filled = np.isfinite(particles).all(axis=2)
    expected_splits = [corpus.recipe.split.of(i) for i in range(rows.start, rows.stop)]
    checks = {
        "parameters: not finite": np.isfinite(parameters).all(),
        "pixel_size: not positive": (pixels > 0).all(),
        "particles: filled slots differ from n_particles": (filled.sum(axis=1) == counts).all(),
        "particles: not in the first slots": all(
            row[:n].all() for row, n in zip(filled, counts, strict=True)
        ),
        "particles: a radius is not positive": (particles[..., 3][filled] > 0).all(),
        "descriptors: count differs from n_particles": (
            descriptors[:, corpus.descriptor_names.index("count")] == counts
        ).all(),
        "descriptors: n_S HCN_S do not add up to twice the hetero-contacts": _contacts_agree(
            corpus, descriptors
        ),
        "split: not the recipe's": (splits == expected_splits).all(),
        "draws: below 1": (np.asarray(corpus.draws[rows]) >= 1).all(),
    }
    return [problem for problem, good in checks.items() if not good]


def _contacts_agree(corpus: Corpus, descriptors: NDArray[np.float64]) -> bool:
    """n_A HCN_A + n_B HCN_B + ... = 2 E_AB; with two species, both terms are E_AB."""

    def column(name: str) -> NDArray[np.float64]:
        return descriptors[:, corpus.descriptor_names.index(name)]

    names = corpus.attributes["species_names"]
    ends = np.stack([column(f"count_{n}") * np.nan_to_num(column(f"hetero_coordination_{n}")) for n in names])
    agree = np.allclose(ends.sum(axis=0), 2 * column("hetero_contacts"), rtol=1e-9, atol=1e-6)
    if len(names) == 2:
        agree = agree and np.allclose(ends[0], ends[1], rtol=1e-9, atol=1e-6)
    return bool(agree)


def _recompute(corpus: Corpus, found: Verification, count: int, seed: int | None) -> None:
    from simulate.engines.base import make_engine

    recipe = corpus.recipe
    exact = made_alike(corpus)
    engine = make_engine(recipe.engine_settings)
    chosen = default_rng(seed).choice(corpus.indices(), size=min(count, found.finished), replace=False)
    for index in sorted(int(i) for i in chosen):
        for name, stored, again in _pairs(corpus, index, render(recipe, index, engine)):
            difference = _difference(stored, again)
            found.largest_difference = max(found.largest_difference, difference)
            if difference > (0.0 if exact else OTHER_PROCESSOR_TOLERANCE):
                found.problems.append(f"sample {index}: {name} differs by {difference:.3g} when recomputed")
        found.recomputed.append(index)


def made_alike(corpus: Corpus) -> bool:
    """Whether this machine has the processor and versions that made the corpus, so that bytes must agree."""
    attributes = corpus.attributes
    return attributes.get("processor") == processor() and attributes.get("versions") == versions()


def _pairs(corpus: Corpus, index: int, again: Sample) -> list[tuple[str, Any, Any]]:
    count = int(corpus.n_particles[index])
    return [
        ("images", corpus.images[index], again.image),
        ("parameters", corpus.parameters[index], again.parameters),
        ("descriptors", corpus.descriptors[index], _stored_descriptors(corpus, again)),
        ("particles", corpus.particles[index][:count], again.particles),
        ("pixel_size", corpus.pixel_size[index], again.pixel_size_nm),
    ]


def _stored_descriptors(corpus: Corpus, again: Sample) -> NDArray[np.float64]:
    """Those of the descriptors that the corpus holds; one made by an earlier version has fewer."""
    found = dict(zip(corpus.recipe.descriptor_names, again.descriptors, strict=True))
    return np.array([found[name] for name in corpus.descriptor_names])


def _difference(stored: Any, again: Any) -> float:
    """Largest difference relative to the largest stored value; infinite if shapes or missing values
    differ.
    """
    a, b = np.asarray(stored, np.float64), np.asarray(again, np.float64)
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return float("inf")
    scale = np.nanmax(np.abs(a), initial=0.0) or 1.0
    return float(np.nanmax(np.abs(a - b), initial=0.0) / scale)
