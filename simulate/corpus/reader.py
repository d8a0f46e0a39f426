"""Reading corpora: NumPy arrays, no Dask, nothing executed from the files.

A corpus that is still being made can be read; `indices` lists finished samples only. Damage (a truncated
shard, a checksum that does not fit, a missing file) is a UserError that names the array and the shard; an
entry of `status` that cannot be read is an unfinished shard.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.random import default_rng
from numpy.typing import NDArray
from zarr.storage import LocalStore

from simulate.aggregate_recipe import AggregateRecipe
from simulate.corpus import layout
from simulate.corpus.arrays import CheckedArray
from simulate.corpus.scene_truth import SceneTruth
from simulate.corpus.writer import read_attributes
from simulate.imaged_recipe import ImagedRecipe
from simulate.micrographs.arrays import stored_truth
from simulate.realise import seed_of
from simulate.realism import REALISM_STAGE, Realism, apply_realism
from simulate.recipe import Recipe
from simulate.recipe_settings import SPLITS
from simulate.textures.arrays import BITS
from simulate.textures.bits import PhaseImages, unpacked
from stochgeom.aggregate import HeteroAggregate
from stochgeom.bodies.shapes import shape_arrays
from stochgeom.errors import UserError
from stochgeom.projection import Field


class Corpus:
    """An open corpus. Arrays are named as in `layout`: sample along the first axis."""

    def __init__(self, path: Path, group: zarr.Group, attributes: dict[str, Any]) -> None:
        self.path = path
        self.attributes = attributes
        self._group = group
        self._per_shard = int(attributes["samples_per_shard"])

    @classmethod
    def open(cls, path: str | Path) -> Corpus:
        """Open the corpus in a folder (or its `corpus.zarr`). UserError if it is none, or of another
        version.
        """
        if not Path(path).exists():
            raise UserError(f"no corpus at {path}")
        store = layout.store_path(path)
        attributes = read_attributes(store)
        return cls(store, zarr.open_group(LocalStore(store, read_only=True), mode="r"), attributes)

    def __len__(self) -> int:
        return int(self.attributes["samples"])

    def array(self, name: str) -> CheckedArray:
        """An array of the store by its path, for example `truth/cropped`."""
        try:
            found = self._group[name]
        except Exception as error:
            raise UserError(f"{self.path}: array {name} is missing or damaged: {error}") from error
        assert isinstance(found, zarr.Array)
        return CheckedArray(found, self.path)

    @property
    def kind(self) -> str:
        """aggregate, texture or scene."""
        return str(self.attributes["kind"])

    @cached_property
    def images(self) -> CheckedArray | PhaseImages:
        """Clean images (sample, channel, y, x): float32, fraction of the incident beam; of a corpus of
        textures without an engine uint8, the phase of each pixel.
        """
        return self.array("images") if self.imaged else self._phase

    @cached_property
    def imaged(self) -> bool:
        """Whether an engine made its images; otherwise they are phase maps."""
        return isinstance(self.recipe, ImagedRecipe)

    @property
    def imaged_recipe(self) -> ImagedRecipe:
        """The recipe, where an engine made the images. UserError, one line, for a corpus of phase maps."""
        if not isinstance(self.recipe, ImagedRecipe):
            raise UserError(f"{self.path}: a corpus of phase maps has no engine")
        return self.recipe

    @cached_property
    def _phase(self) -> PhaseImages:
        if self.kind != "texture":
            raise UserError(f"{self.path}: a corpus of kind {self.kind} holds no phase maps")
        recipe = self.recipe
        return PhaseImages(self.array(BITS), recipe.image_shape[1])

    def phase_bits(self, indices: NDArray[np.integer] | None = None) -> NDArray[np.uint8]:
        """Phase maps of textures as they are stored, eight pixels to a byte (n, y, ceil(x / 8)) uint8.

        indices: samples (n,); None takes all that are finished. A training set fits into memory so, and is
        unpacked batch by batch: `numpy.unpackbits(bits, axis=-1, count=x)`.
        """
        return self._phase.rows(self.indices() if indices is None else self._all_made(indices))

    def phases(self, indices: NDArray[np.integer] | None = None) -> NDArray[np.uint8]:
        """Phase maps of textures (n, y, x) uint8, 0 or 1; `indices` as in `phase_bits`."""
        return unpacked(self.phase_bits(indices), self._phase.shape[3])

    @cached_property
    def parameters(self) -> CheckedArray:
        """Parameters asked of the model (sample, parameter) float64."""
        return self.array("parameters")

    @cached_property
    def descriptors(self) -> CheckedArray:
        """Descriptors of the aggregates (sample, descriptor) float64."""
        return self.array("descriptors")

    @cached_property
    def pixel_size(self) -> CheckedArray:
        """Pixel sizes (sample,) in nm."""
        return self.array("pixel_size")

    @cached_property
    def particles(self) -> CheckedArray:
        """Particles (sample, slot, column) float32, NaN-padded; x, y from the field's centre."""
        self.aggregate_recipe  # noqa: B018
        return self.array("particles")

    @cached_property
    def n_particles(self) -> CheckedArray:
        """Number of particles (sample,) int32."""
        self.aggregate_recipe  # noqa: B018
        return self.array("n_particles")

    @cached_property
    def split(self) -> CheckedArray:
        """Position of each sample's split in `simulate.recipe.SPLITS` (sample,) uint8; 255 if not yet
        made.
        """
        return self.array("split")

    @cached_property
    def draws(self) -> CheckedArray:
        """Parameter draws that each sample took (sample,) uint16; 1 where the first was feasible."""
        return self.array("draws")

    @cached_property
    def standard_error(self) -> CheckedArray | None:
        """Standard errors of `images` (sample, channel, y, x) float32, of the mean over the configurations of
        atoms; None where there is but one configuration.
        """
        return self.array(layout.ERRORS) if self.has_errors else None

    @property
    def has_errors(self) -> bool:
        """Whether the store holds the standard errors of its images."""
        return bool(self.attributes.get("standard_error", False))

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe that made the corpus. Its response table is asked for only when it is needed."""
        folder, source = self.path.parent, f"{self.path}: recipe"
        return Recipe.from_dict(self.attributes["recipe"], folder=folder, source=source, with_table=False)

    @property
    def aggregate_recipe(self) -> AggregateRecipe:
        """The recipe, where it is one of aggregates. UserError, one line, for a corpus of another kind."""
        if not isinstance(self.recipe, AggregateRecipe):
            raise UserError(f"{self.path}: a corpus of kind {self.kind} holds no aggregates")
        return self.recipe

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the image channels."""
        return tuple(self.attributes["channel_names"])

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the columns of `parameters`."""
        return tuple(self.attributes["parameter_names"])

    @property
    def descriptor_names(self) -> tuple[str, ...]:
        """Names of the columns of `descriptors`."""
        return tuple(self.attributes["descriptor_names"])

    @property
    def finished(self) -> NDArray[np.bool_]:
        """Which shards are complete (shard,)."""
        return self._done("shard")

    def tasks(self, finished: bool) -> list[layout.Task]:
        """What is finished, or what is not: reference probes first, then shards."""
        kinds = [kind for kind in layout.STATUS if kind == "shard" or self.recipe.probes is not None]
        return [(kind, int(k)) for kind in kinds for k in np.flatnonzero(self._done(kind) == finished)]

    def _done(self, kind: str) -> NDArray[np.bool_]:
        """Which tasks of a kind are finished (task,). An entry that cannot be read is one that is not."""
        status = self.array(layout.STATUS[kind])
        try:
            return np.asarray(status[:]) == 1
        except UserError:
            return np.array([self._entry(status, k) == 1 for k in range(len(status))])

    @staticmethod
    def _entry(status: CheckedArray, place: int) -> int:
        try:
            return int(status[place])
        except UserError:
            return 0

    def rows(self, array: CheckedArray) -> NDArray[Any]:
        """All of a per-sample array (sample, ...); its fill value where a shard is not finished."""
        done = self.finished
        if done.all():
            return np.asarray(array[:])
        values = np.full(array.shape, array.fill_value, array.dtype)
        for shard in np.flatnonzero(done):
            owned = slice(shard * self._per_shard, (shard + 1) * self._per_shard)
            values[owned] = array[owned]
        return values

    def column(self, name: str) -> NDArray[np.float64]:
        """A parameter or descriptor of all samples (sample,); NaN for those not yet made."""
        for array, names in (
            (self.parameters, self.parameter_names),
            (self.descriptors, self.descriptor_names),
        ):
            if name in names:
                return self.rows(array)[:, names.index(name)].astype(np.float64)
        from simulate.recipe_errors import suggestion

        hint = suggestion(name, (*self.parameter_names, *self.descriptor_names))
        raise UserError(f"{self.path}: no column {name!r}{hint}")

    def indices(self, split: str | None = None) -> NDArray[np.int64]:
        """Finished samples of a split (train, calibration, validation, test), or of all, in ascending
        order.
        """
        done = np.repeat(self.finished, self._per_shard)[: len(self)]
        if split is None:
            return np.flatnonzero(done)
        if split not in SPLITS:
            raise UserError(f"no split {split!r}; accepted: {', '.join(SPLITS)}")
        return np.flatnonzero(done & (self.rows(self.split) == SPLITS.index(split)))

    def field(self, index: int) -> Field:
        """Field of view of a sample, in the coordinates of its particles."""
        return Field(shape=self.recipe.image_shape, pixel_size_nm=float(self.pixel_size[self._made(index)]))

    def aggregate(self, index: int) -> HeteroAggregate:
        """Aggregate of a sample, rebuilt from the stored particles (float32) and the recipe's shapes."""
        recipe = self.aggregate_recipe
        count = int(self.n_particles[self._made(index)])
        table = np.asarray(self.particles[index], np.float64)[:count]
        radii, phase, quaternions = table[:, 3], table[:, 6].astype(np.int64), table[:, 7:11]
        shape, semi_axes, polytopes = shape_arrays(recipe.phase_shapes, phase, radii)
        return HeteroAggregate(
            centres=table[:, 0:3],
            radii=radii,
            species=table[:, 4].astype(np.int64),
            cluster=table[:, 5].astype(np.int64),
            phase=phase,
            orientations=quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True),
            species_names=tuple(self.attributes["species_names"]),
            phase_names=tuple(self.attributes["phase_names"]),
            shape=shape,
            semi_axes=semi_axes,
            polytopes=polytopes,
        )

    def scene_truth(self, index: int) -> SceneTruth:
        """What is true of a finished micrograph: maps, atomic columns, walls. UserError, one line, for a
        corpus of another kind.
        """
        if self.kind != "scene":
            raise UserError(f"{self.path}: a corpus of kind {self.kind} holds no truth of scenes")
        return stored_truth(self, self._made(index))

    def clean(self, index: int) -> NDArray[np.float32]:
        """Clean image (channel, y, x) of a finished sample."""
        image = np.asarray(self.images[self._made(index)], np.float32)
        if not np.isfinite(image).all():
            shard = index // self._per_shard
            raise UserError(
                f"{self.path}: array images, sample {index} (shard {shard}) is missing or not finite"
            )
        return image

    def noisy(self, index: int, realism: Realism | None = None, draw: int = 0) -> NDArray[np.float32]:
        """Recorded image (channel, y, x) under the recipe's realism, or another.

        Draw 0 is the sample's own and never changes; draws 1, 2, ... are fresh conditions and noise for
        training.
        """
        rng = default_rng(seed_of(self.recipe, int(index), REALISM_STAGE, int(draw)))
        conditions = self.recipe.realism if realism is None else realism
        image = self.clean(index)
        return apply_realism(image, self._pixel_size(index), conditions, rng)

    @property
    def validation(self) -> dict[str, NDArray[Any]] | None:
        """Reference probes by column (probe,) or (probe, channel), finished ones only; None if there are
        none.
        """
        if "validation" not in self._group:
            return None
        done = np.flatnonzero(self._done("validation"))
        if len(done) == 0:
            return None
        arrays = {name: self.array(f"validation/{name}") for name in layout.PROBE_COLUMNS}
        count = arrays["sample"].chunks[0]
        return {
            name: np.concatenate([array[k * count : (k + 1) * count] for k in done])
            for name, array in arrays.items()
        }

    def _pixel_size(self, index: int) -> float:
        if np.isnan(self._pixel_sizes[index]):
            self.__dict__.pop("_pixel_sizes")  # read before this sample was made
        return float(self._pixel_sizes[index])

    @cached_property
    def _pixel_sizes(self) -> NDArray[np.float64]:
        return self.rows(self.pixel_size)

    def _made(self, index: int) -> int:
        """`index`, if that sample exists and is finished."""
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of a corpus of {len(self)}")
        shard = int(index) // self._per_shard
        if not self._finished_once[shard]:
            self.__dict__.pop("_finished_once", None)
            if not self._finished_once[shard]:
                raise UserError(
                    f"{self.path}: sample {index} is not made yet (shard {shard} is not finished)"
                )
        return int(index)

    def _all_made(self, indices: NDArray[np.integer]) -> NDArray[np.int64]:
        """`indices` (n,), if these samples exist and are finished."""
        found = np.asarray(indices, np.int64).reshape(-1)
        for shard in np.unique(found // self._per_shard):
            self._made(int(found[found // self._per_shard == shard].min()))
        if len(found):
            self._made(int(found.max()))
        return found

    @cached_property
    def _finished_once(self) -> NDArray[np.bool_]:
        return self.finished
