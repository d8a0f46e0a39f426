"""The estimator that a training starts from: fitted targets and scales; new weights or an earlier model's."""

from __future__ import annotations

from typing import Any

import numpy as np

from learn.config import EstimatorConfig, TrainingConfig
from learn.data import TrainingCorpus
from learn.estimator import Estimator
from learn.maps import map_names
from learn.networks import build_network
from learn.symmetries import symmetries_of
from learn.targets import Target, TargetSet, column_values, default_targets
from stochgeom.errors import UserError

# Below, strided convolutions see single pixels, whose gradients some back ends leave unset.
SMALLEST_SIDE = 16


def initial_estimator(corpus: TrainingCorpus, config: TrainingConfig, realism: Any) -> Estimator:
    """An untrained estimator for the corpus, or a copy of the one to start from."""
    targets = _fitted_targets(corpus, config)
    levels, mean, scale = _statistics(corpus)
    species = _species(corpus)
    shape = (int(corpus.images.shape[2]), int(corpus.images.shape[3]))
    if min(shape) < SMALLEST_SIDE:
        raise UserError(
            f"images of {shape[0]} x {shape[1]} pixels; accepted: sides of {SMALLEST_SIDE} or more"
        )
    with_maps = config.network == "small" and config.map_weight > 0 and bool(species)
    built = EstimatorConfig(
        network=config.network,
        channels=int(corpus.images.shape[1]),
        shape=shape,
        intensity="relative" if config.gain == "unknown" else "absolute",
        levels=levels,
        log_pixel_mean=mean,
        log_pixel_scale=scale,
        outputs=len(targets),
        maps=len(map_names(species)) if with_maps else 0,
        symmetries=symmetries_of(realism, shape, targets.names),
    )
    about = {
        "corpus": corpus.recipe.name,
        "recipe_hash": corpus.recipe.hash,
        "channel_names": list(corpus.channel_names),
        "species_names": list(species),
        "realism": realism.model_dump(mode="json"),
        "gain": config.gain,
        "training_config": config.model_dump(mode="json"),
    }
    if config.init is None:
        return Estimator.new(built, targets, seed=config.seed, **about)
    return _started_from(Estimator.load(config.init), built, targets, about)


def _started_from(
    earlier: Estimator, built: EstimatorConfig, targets: TargetSet, about: dict[str, Any]
) -> Estimator:
    """`earlier` as the start of another training: its weights and scales, the new kind of intensity."""
    if earlier.names != targets.names:
        raise UserError(
            f"the model to start from estimates {', '.join(earlier.names)}; not {', '.join(targets.names)}"
        )
    new = {"intensity": built.intensity, "symmetries": built.symmetries}
    config = earlier.config.model_copy(update=new)
    same = ("network", "channels", "shape", "outputs", "maps")
    for key in same:
        if getattr(config, key) != getattr(built, key):
            raise UserError(
                f"the model to start from has {key} = {getattr(config, key)}; needed: {getattr(built, key)}"
            )
    network = build_network(config)
    network.load_state_dict(earlier.network.state_dict())
    return Estimator(config, earlier.targets, network, about=about)


def _fitted_targets(corpus: TrainingCorpus, config: TrainingConfig) -> TargetSet:
    rows = corpus.indices("train")
    if len(rows) < 2:
        raise UserError(
            f"the corpus has {len(rows)} finished samples in the split 'train'; at least 2 are needed"
        )
    if config.targets is None:
        targets: tuple[Target, ...] = default_targets(corpus)
    else:
        targets = tuple(Target.of(name) for name in config.targets)
    return TargetSet.fit(targets, column_values(corpus, [target.name for target in targets])[rows])


def _statistics(corpus: TrainingCorpus) -> tuple[tuple[float, ...], float, float]:
    """Typical foreground of each channel, and mean and spread of ln pixel size, over training samples."""
    rows = np.asarray(corpus.indices("train"))
    log_pixel = np.log(np.asarray(corpus.pixel_size[:], np.float64)[rows])
    some = rows[np.unique(np.linspace(0, len(rows) - 1, 64).astype(int))]
    images = np.stack([np.asarray(corpus.images[int(row)], np.float64) for row in some])
    bright = np.where(images > images.mean((2, 3), keepdims=True), images, np.nan)
    levels = np.nanmedian(np.nanmean(bright, axis=(2, 3)), axis=0)
    if not (np.isfinite(levels).all() and (levels > 0).all()):
        raise UserError("the corpus' images have no contrast; nothing can be learnt from them")
    return tuple(float(level) for level in levels), float(log_pixel.mean()), max(float(log_pixel.std()), 0.05)


def _species(corpus: TrainingCorpus) -> tuple[str, ...]:
    """Names of the species whose particles the corpus stores; none for corpora of other kinds."""
    names = tuple(getattr(corpus.recipe, "species_names", ()))
    return names if names and hasattr(corpus, "particles") else ()
