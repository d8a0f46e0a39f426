"""The per-sample arrays of a corpus of textures, and the rows that samples fill them with.

Phase maps are stored as bits, many samples to a chunk: a chunk for each image of a few hundred bytes would
take far longer to find than to read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulate.corpus.array_spec import NAN, ArraySpec
from simulate.textures.bits import row_bytes

if TYPE_CHECKING:
    from simulate.textures.realise import TextureSample
    from simulate.textures.recipe import TextureRecipe

BITS = "phase_bits"
CHUNK_BYTES = 1_600_000
"""Bytes of bits that are decoded together, about."""


def chunk_samples(samples_per_shard: int, shape: tuple[int, int]) -> int:
    """Samples of a chunk of bits: a divisor of those of a shard, of about CHUNK_BYTES."""
    wanted = max(1, CHUNK_BYTES // (shape[0] * row_bytes(shape[1])))
    small = [k for k in range(1, math.isqrt(samples_per_shard) + 1) if samples_per_shard % k == 0]
    divisors = [*small, *(samples_per_shard // k for k in small)]
    below = max(k for k in divisors if k <= wanted)
    above = min((k for k in divisors if k >= wanted), default=samples_per_shard)
    return below if wanted / below <= above / wanted else above


def texture_arrays(recipe: TextureRecipe, samples: int) -> list[ArraySpec]:
    """Every array that has one entry for each sample."""
    per_shard, (ny, nx) = recipe.samples_per_shard, recipe.image_shape
    rows = {"y": ny, "byte": row_bytes(nx)}
    bits = "phase maps, eight pixels of a row to a byte, the first in its highest bit; 1 is the second phase"

    def spec(name: str, tail: dict[str, int], dtype: str, fill: float, unit: str, meaning: str) -> ArraySpec:
        chunk = chunk_samples(per_shard, (ny, nx)) if name == BITS else per_shard
        shape, axes = (samples, *tail.values()), ("sample", *tail)
        return ArraySpec(name, shape, dtype, axes, chunk, per_shard, fill, unit, meaning)

    parameter, truth = (
        {"parameter": len(recipe.parameter_names)},
        {"descriptor": len(recipe.descriptor_names)},
    )
    return [
        spec(BITS, rows, "uint8", 0, "1", bits),
        spec("parameters", parameter, "float64", NAN, "", "asked of the model"),
        spec("descriptors", truth, "float64", NAN, "", "of the texture: its truth"),
        spec("pixel_size", {}, "float64", NAN, "nm", "side of a pixel"),
        spec("split", {}, "uint8", 255, "1", "position in the attribute `splits`"),
        spec("draws", {}, "uint16", 0, "1", "parameter draws until one was feasible"),
    ]


def texture_columns(
    recipe: TextureRecipe, samples: Sequence[TextureSample], descriptors: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Rows of the arrays of `texture_arrays` for some samples; of the truth, the columns `descriptors`."""
    kept = [recipe.descriptor_names.index(name) for name in descriptors]
    return {
        BITS: np.stack([sample.bits for sample in samples]),
        "parameters": np.stack([sample.parameters for sample in samples]),
        "descriptors": np.stack([sample.descriptors[kept] for sample in samples]),
        "pixel_size": np.array([sample.pixel_size_nm for sample in samples]),
        "split": np.array([recipe.split.of(sample.index) for sample in samples], np.uint8),
        "draws": np.array([sample.draws for sample in samples], np.uint16),
    }
