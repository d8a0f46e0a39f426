"""Checks a corpus: complete, in range, consistent, and the same when recomputed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulate.corpus import layout
from simulate.corpus.layout import Task, processor, shard_range, versions
from simulate.corpus.provenance import devices
from simulate.corpus.reader import Corpus
from simulate.corpus.recompute import recomputed, relative_difference
from simulate.devices import CPU, device_for
from simulate.fft_plans import plans_are_current
from simulate.lamella.recipe import LamellaRecipe
from simulate.lamella.verify import check_lamellae
from simulate.micrographs.verify import check_scenes
from simulate.textures.verify import check_textures
from simulate.validation import probed_samples
from stochgeom.errors import UserError

OTHER_PROCESSOR_TOLERANCE = 1e-4
"""Largest difference of a recomputed sample, relative to the array's largest value, on another kind of
processor.
"""


@dataclass
class Verification:
    """What was checked and what was found; `problems` is empty when all is well.

    `damaged` lists what is marked finished but is not as it was written: `generate` with `repair` makes that
    again. `recomputed` lists samples, and `recomputed_blocks` (sample, block) where images have several
    blocks.
    """

    samples: int = 0
    finished: int = 0
    recomputed: list[int] = field(default_factory=list)
    recomputed_blocks: list[tuple[int, int]] = field(default_factory=list)
    largest_difference: float = 0.0
    problems: list[str] = field(default_factory=list)
    damaged: list[Task] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


def verify(corpus: Corpus, recompute: int = 3, seed: int | None = None, device: str = CPU) -> Verification:
    """Check completeness, ranges, finite values and identities, and recompute `recompute` random samples.

    Of images of several blocks, which may take hours, only as many random blocks with something to compute
    are made again. What is recomputed must agree bit by bit on the processor model that made the corpus with
    the same versions, and within 1e-4 elsewhere, which all other devices are. `seed` picks the samples; None
    picks others every time. `device`: where to compute them.
    """
    device = device_for(corpus.recipe, device)
    broken = check_arrays(corpus)
    if broken:
        return Verification(samples=len(corpus), problems=broken)
    found = Verification(samples=len(corpus), finished=len(corpus.indices()))
    found.problems += _missing(corpus)
    for task in corpus.tasks(finished=True):
        problems = check_task(corpus, task)
        found.problems += problems
        found.damaged += [task] if problems else []
    if recompute > 0 and found.ok and found.finished:
        _recompute(corpus, found, recompute, seed, device)
    return found


def _missing(corpus: Corpus) -> list[str]:
    """What is not made yet, as lines."""
    lines = []
    left = len(corpus) - len(corpus.indices())
    if left:
        lines.append(f"{left} of {len(corpus)} samples are not made yet")
    probes = sum(kind == "validation" for kind, _ in corpus.tasks(finished=False))
    if probes:
        lines.append(f"the reference probes of {probes} aggregates are not made yet")
    return lines


def check_arrays(corpus: Corpus) -> list[str]:
    """Arrays that the corpus lacks or that are not as its recipe says, as lines; they cannot be read."""
    problems = []
    for spec in layout.arrays(corpus.recipe, len(corpus), corpus.has_errors):
        try:
            array = corpus.array(spec.name)
        except UserError as error:
            problems.append(str(error))
            continue
        shape = spec.shape
        if spec.name == "descriptors":  # an earlier version's corpus has fewer
            shape = (len(corpus), len(corpus.descriptor_names))
        if array.shape != shape or array.dtype != spec.dtype:
            problems.append(f"{corpus.path}: array {spec.name} is not the one that its recipe asks for")
    return problems


def check_task(corpus: Corpus, task: Task) -> list[str]:
    """What is wrong with a finished shard, or with the reference probes of an aggregate, as lines."""
    kind, number = task
    try:
        return check_shard(corpus, number) if kind == "shard" else check_probes(corpus, number)
    except UserError as error:
        return [str(error)]


def check_probes(corpus: Corpus, number: int) -> list[str]:
    """What is wrong with the reference probes of the aggregate `number`, as lines."""
    recipe = corpus.imaged_recipe
    settings = recipe.validation
    assert settings is not None
    count = settings.places * settings.positions
    rows = slice(number * count, (number + 1) * count)
    columns = {name: np.asarray(corpus.array(f"validation/{name}")[rows]) for name in layout.PROBE_COLUMNS}
    sample = probed_samples(recipe, len(corpus))[number]
    checks = {
        "sample: not the one that is probed": (columns["sample"] == sample).all(),
        "place: not in order": (
            columns["place"] == np.arange(rows.start, rows.stop) // settings.positions
        ).all(),
        "x, y: not finite": np.isfinite([columns["x"], columns["y"]]).all(),
    } | {
        f"{name}: values that are not fractions of the beam": _fractions(columns[name])
        for name in ("intensity", "response", "standard_error")
    }
    where = f"reference probes of aggregate {number} (sample {sample})"
    return [f"{where}: {problem}" for problem, good in checks.items() if not good]


def _fractions(values: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(values).all() and (values >= 0).all() and (values <= 1).all())


def check_shard(corpus: Corpus, shard: int) -> list[str]:
    """What is wrong with the samples of one shard, as lines."""
    owned = shard_range(shard, len(corpus), corpus.recipe.samples_per_shard)
    rows = slice(owned.start, owned.stop)
    where = f"shard {shard} (samples {owned.start} to {owned.stop - 1})"
    problems = _check_images(corpus, rows) if corpus.imaged else []
    checks = {"aggregate": _check_truth, "texture": check_textures, "scene": check_scenes}
    problems += checks[corpus.kind](corpus, rows)
    if isinstance(corpus.recipe, LamellaRecipe):
        problems += check_lamellae(corpus, corpus.recipe, rows)
    return [f"{where}: {problem}" for problem in problems]


def _check_images(corpus: Corpus, rows: slice) -> list[str]:
    images = np.asarray(corpus.images[rows])
    problems = []
    if not np.isfinite(images).all():
        problems.append("images: not finite")
    elif images.min() < 0 or images.max() > 1:
        problems.append(f"images: {images.min():.3g} to {images.max():.3g} outside 0 to 1")
    return problems + _check_errors(corpus, rows)


def _check_errors(corpus: Corpus, rows: slice) -> list[str]:
    if corpus.standard_error is None:
        return []
    errors = np.asarray(corpus.standard_error[rows])
    good = np.isfinite(errors).all() and errors.min() >= 0
    return [] if good else [f"{layout.ERRORS}: not finite or below 0"]


def _check_truth(corpus: Corpus, rows: slice) -> list[str]:
    parameters, descriptors = np.asarray(corpus.parameters[rows]), np.asarray(corpus.descriptors[rows])
    counts, particles = np.asarray(corpus.n_particles[rows]), np.asarray(corpus.particles[rows])
    pixels, splits = np.asarray(corpus.pixel_size[rows]), np.asarray(corpus.split[rows])
    filled = np.isfinite(particles).all(axis=2)
    expected_splits = [corpus.recipe.split.of(i) for i in range(rows.start, rows.stop)]
    checks = {
        "parameters: not finite": (np.isfinite(parameters) == _asked(corpus)).all(),
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
        "truth/cropped: neither 0 nor 1": (corpus.array("truth/cropped")[rows] <= 1).all(),
    }
    return [problem for problem, good in checks.items() if not good]


def _asked(corpus: Corpus) -> NDArray[np.bool_]:
    """Which columns of `parameters` the recipe's kernel asks for; the others are NaN."""
    laws = corpus.aggregate_recipe.aggregate
    middle = laws.parameters(np.full(len(laws.slots), 0.5))
    return np.isfinite(list(middle.columns().values()))


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


def _recompute(corpus: Corpus, found: Verification, count: int, seed: int | None, device: str) -> None:
    exact = made_alike(corpus, device)
    for again in recomputed(corpus, count, seed, device):
        for name, stored, new, scale in again.pairs:
            difference = relative_difference(stored, new, scale)
            found.largest_difference = max(found.largest_difference, difference)
            if difference > (0.0 if exact else OTHER_PROCESSOR_TOLERANCE):
                found.problems.append(f"{again.where}: {name} differs by {difference:.3g} when recomputed")
        if again.block is None:
            found.recomputed.append(again.sample)
        else:
            found.recomputed_blocks.append((again.sample, again.block))


def made_alike(corpus: Corpus, device: str = CPU) -> bool:
    """Whether this machine has the processor and versions that made the corpus, so that bytes must agree, and
    no other device, nor an engine that went by other FFT plans, had a part in it or has in what is computed.
    """
    attributes = corpus.attributes
    same = attributes.get("processor") == processor() and attributes.get("versions") == versions()
    folder = corpus.path.parent
    return same and plans_are_current(folder) and devices(folder) | {device} == {CPU}
