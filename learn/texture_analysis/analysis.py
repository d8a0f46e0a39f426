"""The analysis of texture autoencoders: every model and every baseline on one test set, compared in pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from learn.scores import ROUNDS, Estimate
from stochgeom.errors import UserError

from .baselines import AllWhite, ClassMeans, NearestTexture, PrincipalComponents
from .evaluation import Kind, MethodResult, evaluate
from .latents import LatentUse, SampleReadings, latent_use, prior_samples, read_samples
from .methods import Method, Predicted, Reconstruction, TextureVAE
from .published import PublishedFigures
from .scores import FIGURES, THRESHOLD, Bootstrap, Figure
from .statistics_vectors import VectorBlocks, check_same_shape
from .texture_set import TextureSet, orientation_classes

REFERENCE_IMAGES = 6000
SAMPLES = 500
Progress = Callable[[str, int, int], None]
Models = Mapping[str, TextureVAE | Sequence[TextureVAE]]


@dataclass(frozen=True)
class Group:
    """Models trained alike but for the seed. figures: the mean over the models, by key; `spread` the smallest
    and largest of them; `columns` the mean over the models for each image, by column of `ImageScores`.
    """

    label: str
    members: tuple[str, ...]
    figures: dict[str, float]
    spread: dict[str, tuple[float, float]]
    columns: dict[str, np.ndarray]


@dataclass(frozen=True)
class Comparison:
    """The first group against another method, on the same images, paired: the ratio of the mean f-space MSE,
    and the differences of the share with the count kept and of the mean relative volume-fraction difference.
    """

    other: str
    f_mse_ratio: Estimate
    count_kept_gain: Estimate
    volume_difference_gain: Estimate

    @property
    def nearer(self) -> bool | None:
        """Whether the f-space MSE is smaller, the whole interval below 1; None if neither way is certain."""
        if self.f_mse_ratio.high < 1:
            return True
        return False if self.f_mse_ratio.low > 1 else None


@dataclass(frozen=True)
class TextureAnalysis:
    """methods: the models, then the baselines. models, latents, samples and sample_images go by the model's
    label. control: the test images themselves as their own reconstructions, by the same measures.
    nearest: of the reference training images, index and distance (n, k).
    """

    train: TextureSet
    test: TextureSet
    models: dict[str, TextureVAE]
    groups: tuple[Group, ...]
    methods: tuple[MethodResult, ...]
    control: MethodResult
    latents: dict[str, LatentUse]
    samples: dict[str, SampleReadings]
    sample_images: dict[str, np.ndarray]
    originals: SampleReadings
    comparisons: tuple[Comparison, ...]
    nearest: tuple[np.ndarray, np.ndarray]
    published: PublishedFigures | None
    threshold: float
    settings: dict[str, Any]

    @property
    def headline(self) -> str:
        """The label of the first model of the first group: the one that is shown in pictures."""
        return self.groups[0].members[0]

    def method(self, label: str) -> MethodResult:
        """The method of that label."""
        return next(one for one in self.methods if one.label == label)


class _Themselves:
    """The test images as their own reconstructions: what the measures read where there is no error."""

    label, remark = "the test images themselves", "their measures against their truth"

    def blocks(self, test: TextureSet) -> Iterator[tuple[slice, Predicted]]:
        for rows in test.blocks():
            yield rows, Predicted.of(test.pictures(rows))


def analyse_textures(
    models: Models,
    train: TextureSet,
    test: TextureSet,
    *,
    reference_images: int = REFERENCE_IMAGES,
    whole_training_set: bool = True,
    samples: int = SAMPLES,
    threshold: float = THRESHOLD,
    published: PublishedFigures | None = None,
    rounds: int = ROUNDS,
    seed: int = 0,
    progress: Progress | None = None,
) -> TextureAnalysis:
    """Score models and baselines on the images of `test`, which no model was trained on.

    models: a model by its label, or several trained alike but for the seed; the first is compared with all
    others, and its latent size is that of the principal components. Baselines take the first
    `reference_images` of `train`; the nearest texture is also sought in all of it, unless
    `whole_training_set` is false. `samples` are drawn from each model's prior. published: figures to compare
    with; by default those of the set that `test.origin` says was drawn, if there are any.
    UserError for no models, sets of different image sizes, a threshold outside 0 to 1, too few images.
    """
    named = _named(models)
    check_same_shape(train, test)
    if not 0 < threshold < 1:
        raise UserError(f"threshold = {threshold:g}: above 0 and below 1")
    if min(len(train), len(test), samples) < 3:
        raise UserError(
            f"{len(train)} training images, {len(test)} test images, {samples} samples: 3 of each are needed"
        )
    report = progress or (lambda what, done, of: None)
    bootstrap = Bootstrap(len(test), seed, rounds)
    vectors = VectorBlocks(test)
    reference = VectorBlocks(train.part(slice(0, reference_images)))
    classes = orientation_classes(np.concatenate([train.orientation_degrees, test.orientation_degrees]))
    size = next(iter(named.values())).latent_size
    nearest = NearestTexture(reference)
    plan: list[tuple[Kind, Callable[[], Method]]] = [
        ("vae", lambda label=label, vae=vae: Reconstruction(label, vae))  # type: ignore[misc]
        for label, vae in named.items()
    ]
    plan += [
        ("images", AllWhite),
        ("statistics", lambda: ClassMeans(reference)),
        (
            "statistics",
            lambda: PrincipalComponents(reference, min(size, len(reference.textures) - 1), seed),
        ),
        ("images", lambda: nearest),
    ]
    if whole_training_set and len(train) > len(reference.textures):
        plan.append(("images", lambda: NearestTexture(VectorBlocks(train), k=1)))
    methods = []
    for done, (kind, make) in enumerate(plan, 1):
        methods.append(evaluate(make(), kind, vectors, classes, threshold, bootstrap))
        report("methods", done, len(plan))
    control = evaluate(_Themselves(), "images", vectors, classes, threshold, bootstrap)
    lines = bool(np.isfinite(test.count).any())
    originals = read_samples(
        test.pictures(slice(0, min(len(test), max(samples, 3)))), reference, lines, threshold, None
    )
    latents, drawn, images = {}, {}, {}
    for done, (label, vae) in enumerate(named.items(), 1):
        latents[label] = latent_use(label, vae, test, bootstrap)
        images[label] = prior_samples(label, vae, samples, seed, test.shape)
        drawn[label] = read_samples(images[label], reference, lines, threshold, originals)
        report("latents and samples", done, len(named))
    groups = tuple(_group(label, members, methods, threshold) for label, members in _members(models).items())
    assert nearest.found is not None
    return TextureAnalysis(
        train=train,
        test=test,
        models=named,
        groups=groups,
        methods=tuple(methods),
        control=control,
        latents=latents,
        samples=drawn,
        sample_images={label: found[:60] for label, found in images.items()},
        originals=originals,
        comparisons=_comparisons(groups, methods, threshold, bootstrap),
        nearest=nearest.found,
        published=published or PublishedFigures.of_texture(test.origin.get("texture")),
        threshold=threshold,
        settings={
            "reference_images": len(reference.textures),
            "samples": samples,
            "threshold": threshold,
            "rounds": rounds,
            "seed": seed,
        },
    )


def _members(models: Models) -> dict[str, tuple[str, ...]]:
    """Labels of the single models of each group."""
    found = {}
    for label, entry in models.items():
        several = len(entry) if isinstance(entry, Sequence) else 1
        found[label] = tuple(f"{label}, run {k + 1}" for k in range(several)) if several > 1 else (label,)
    return found


def _named(models: Models) -> dict[str, TextureVAE]:
    """Every model by its own label."""
    found: dict[str, TextureVAE] = {}
    for (label, entry), names in zip(models.items(), _members(models).values(), strict=True):
        several = list(entry) if isinstance(entry, Sequence) else [entry]
        if not several:
            raise UserError(f"“{label}” holds no model")
        found |= dict(zip(names, several, strict=True))
    if not found:
        raise UserError("no models: at least one is needed")
    return found


def _group(label: str, members: tuple[str, ...], methods: Sequence[MethodResult], threshold: float) -> Group:
    found = [one for one in methods if one.label in members]
    figures = {
        figure.key: np.array([one.figure(figure, threshold).value for one in found]) for figure in FIGURES
    }
    return Group(
        label,
        members,
        {key: float(values.mean()) for key, values in figures.items()},
        {key: (float(values.min()), float(values.max())) for key, values in figures.items()},
        {
            column: np.mean([one.column(column, threshold) for one in found], axis=0)
            for column in {figure.column for figure in FIGURES}
        },
    )


def _comparisons(
    groups: Sequence[Group], methods: Sequence[MethodResult], threshold: float, bootstrap: Bootstrap
) -> tuple[Comparison, ...]:
    """The first group against the other groups and the baselines."""
    ours = groups[0].columns
    others = [(one.label, one.columns) for one in groups[1:]]
    others += [
        (one.label, {column: one.column(column, threshold) for column in ours})
        for one in methods
        if one.kind != "vae"
    ]
    volume = "relative_volume_difference"
    return tuple(
        Comparison(
            label,
            bootstrap.ratio_of_means(ours["f_mse"], theirs["f_mse"]),
            bootstrap.difference_of_means(ours["count_kept"], theirs["count_kept"]),
            bootstrap.difference_of_means(ours[volume], theirs[volume]),
        )
        for label, theirs in others
    )


def figure_by_key(key: str) -> Figure:
    """The figure of merit of that key."""
    return next(one for one in FIGURES if one.key == key)
