"""Two-phase images with what is true of them: what a texture model is trained on and judged by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from stochgeom.errors import UserError
from stochgeom.textures import Texture, sample_texture
from stochgeom.textures.models import TextureParameters

if TYPE_CHECKING:
    from simulate.corpus.reader import Corpus

BLOCK = 128  # images held as float32 at a time
CLASSES = 12  # orientations of which there are more are a continuum, not classes


class ImageSource(Protocol):
    """Images (n, ny, nx) of the share of phase 1, 0 to 1, read by slices or rising indices; an array is
    one.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: Any, /) -> np.ndarray: ...


class PackedImages:
    """Two-phase images kept as bits: 100 000 of 224 x 224 are 0.6 GB."""

    def __init__(self, bits: np.ndarray, nx: int) -> None:
        """bits (n, ny, ceil(nx / 8)) uint8, as `numpy.packbits` makes them along x."""
        self._bits, self.shape = bits, (bits.shape[0], bits.shape[1], nx)

    @classmethod
    def of(cls, phases: Sequence[np.ndarray]) -> PackedImages:
        """Of images (ny, nx) of zeros and ones, all of one size."""
        return cls(np.stack([np.packbits(one, axis=-1) for one in phases]), phases[0].shape[-1])

    def __getitem__(self, rows: Any, /) -> np.ndarray:
        return np.unpackbits(self._bits[rows], axis=-1, count=self.shape[-1])

    def part(self, rows: np.ndarray) -> PackedImages:
        """Some of them, still as bits."""
        return PackedImages(self._bits[rows], self.shape[-1])


@dataclass(frozen=True, eq=False)
class TextureSet:
    """Images (n, ny, nx) of the share of phase 1 (0 to 1), and what is true of them, (n,) float64 each.

    volume_fraction of phase 1; orientation_degrees, NaN where there is none; count of lines, NaN where there
    are no lines to count. name and origin (plain data: parameters, seed, recipe) say where it comes from.
    """

    images: ImageSource
    volume_fraction: np.ndarray
    orientation_degrees: np.ndarray
    count: np.ndarray
    name: str = "textures"
    origin: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.images.shape) != 3 or min(self.images.shape) < 1:
            raise UserError(f"images of textures are (n, ny, nx), at least one, not {self.images.shape}")
        for key in ("volume_fraction", "orientation_degrees", "count"):
            values = np.asarray(getattr(self, key), np.float64)
            if values.shape != (len(self),):
                raise UserError(
                    f"{key} of {len(self)} textures has the shape {values.shape}; ({len(self)},) is needed"
                )
            object.__setattr__(self, key, values)
        if not np.isfinite(self.volume_fraction).all():
            raise UserError("volume_fraction of textures must be finite")

    def __len__(self) -> int:
        return self.images.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx) of an image."""
        return self.images.shape[1], self.images.shape[2]

    def pictures(self, rows: Any = slice(None)) -> np.ndarray:
        """Images (k, ny, nx) float32 of a slice or of indices in any order. UserError outside 0 to 1."""
        if not isinstance(rows, slice):
            wanted = np.asarray(rows, np.int64)
            rising, back = np.unique(wanted, return_inverse=True)
            return self._checked(self.images[rising])[back.ravel()]
        return self._checked(self.images[rows])

    def blocks(self, size: int = BLOCK) -> Iterator[slice]:
        """Slices that cover the set in order."""
        for start in range(0, len(self), size):
            yield slice(start, min(start + size, len(self)))

    def part(self, rows: np.ndarray | slice) -> TextureSet:
        """Some of the set, by indices or a slice; its images are held as they are stored."""
        rows = np.arange(len(self))[rows]
        images = self.images
        part = getattr(images, "part", None)
        kept = part(rows) if callable(part) else np.asarray(images[rows])
        return TextureSet(
            kept, self.volume_fraction[rows], self.orientation_degrees[rows], self.count[rows], self.name,
            self.origin,
        )  # fmt: skip

    def _checked(self, images: np.ndarray) -> np.ndarray:
        found = np.asarray(images, np.float32)
        if not ((found >= 0) & (found <= 1)).all():  # also refuses NaN
            raise UserError(f"images of “{self.name}” hold values outside 0 to 1, the share of phase 1")
        return found


def orientation_classes(orientation_degrees: np.ndarray) -> np.ndarray:
    """The orientations (k,) in degrees that occur among (n,), rising, if at most twelve; else, or if none,
    empty: NaN is none, and more than twelve are a continuum.
    """
    known = orientation_degrees[np.isfinite(orientation_degrees)]
    found = np.unique(np.round(known % 180, 6))
    return found if len(found) <= CLASSES else np.empty(0)


def textures_of_arrays(
    images: ImageSource,
    volume_fraction: np.ndarray | None = None,
    orientation_degrees: np.ndarray | None = None,
    count: np.ndarray | None = None,
    name: str = "textures",
) -> TextureSet:
    """A set of images (n, ny, nx), 0 to 1; what is not given is unknown, the volume fraction is measured."""
    shape = images.shape
    if len(shape) != 3:
        raise UserError(f"images of textures are (n, ny, nx), not {shape}")
    n = shape[0]
    unknown = np.full(n, np.nan)
    if volume_fraction is None:
        parts = [
            np.asarray(images[start : start + BLOCK]).mean(axis=(1, 2), dtype=np.float64)
            for start in range(0, n, BLOCK)
        ]
        volume_fraction = np.concatenate(parts) if parts else np.empty(0)
    return TextureSet(
        images,
        volume_fraction,
        unknown if orientation_degrees is None else orientation_degrees,
        unknown if count is None else count,
        name,
    )


def textures_of(drawn: Sequence[Texture], name: str = "textures") -> TextureSet:
    """A set of sampled textures, all of one size, kept as bits. Only lines are counted."""
    if not drawn:
        raise UserError("no textures: at least one is needed")
    truth = {
        key: np.array([one.truth[key] for one in drawn]) for key in ("volume_fraction", "orientation_degrees")
    }
    count = np.array([one.truth["count"] if one.model == "lines" else np.nan for one in drawn])
    return TextureSet(
        PackedImages.of([one.phase for one in drawn]),
        truth["volume_fraction"],
        truth["orientation_degrees"],
        count,
        name,
    )


def draw_textures(parameters: TextureParameters, n: int, seed: int, name: str = "") -> TextureSet:
    """n fresh textures; texture i is a function of the parameters, the seed and i alone."""
    drawn = [
        sample_texture(parameters, np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(i,))))
        for i in range(n)
    ]
    origin = {"texture": parameters.model_dump(mode="json"), "seed": seed, "images": n}
    return replace(textures_of(drawn, name or parameters.model), origin=origin)


def corpus_textures(corpus: Corpus, split: str) -> TextureSet:
    """One split of a corpus of textures: phase maps, or, of lamellae, what their recorded images show of
    them. UserError if it holds none, or is no corpus of textures.
    """
    recipe = corpus.recipe.canonical
    if "texture" not in recipe:
        raise UserError(f"{corpus.recipe.name} is no corpus of textures; one of kind = “texture” is needed")
    samples = np.sort(corpus.indices(split))
    if len(samples) == 0:
        raise UserError(f"the split {split} of {corpus.recipe.name} holds no samples")
    known = (*corpus.parameter_names, *corpus.descriptor_names)
    lines = recipe["texture"].get("model") == "lines"
    truth = {
        name: corpus.column(name)[samples] if name in known and (name != "count" or lines) else None
        for name in ("volume_fraction", "orientation_degrees", "count")
    }
    images: ImageSource
    if corpus.imaged:
        from .micrographs import recorded_shares

        images = recorded_shares(corpus, samples)
    else:
        images = PackedImages(corpus.phase_bits(samples), int(corpus.images.shape[-1]))
    found = textures_of_arrays(images, **truth, name=corpus.recipe.name)
    origin = {"texture": recipe["texture"], "recipe_hash": corpus.recipe.hash, "split": split}
    return replace(found, origin=origin)
