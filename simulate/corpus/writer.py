"""The one writer of corpora: it creates a store atomically and writes whole shards.

Two tasks that write parts of one shard lose data, because a shard is one file that is read, changed and
written back. So a shard has one owner, who has all its samples in memory, writes each array's shard once, and
sets the shard's status last. A shard without its status counts as not written, and is written again.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.sync import sync
from zarr.storage import LocalStore

from simulate.aggregate_recipe import AggregateRecipe
from simulate.corpus import layout
from simulate.corpus.block_files import remove_blocks
from simulate.lamella.arrays import lamella_columns
from simulate.lamella.recipe import LamellaRecipe
from simulate.micrographs.arrays import scene_columns
from simulate.micrographs.recipe import MicrographRecipe
from simulate.textures.arrays import texture_columns
from simulate.textures.recipe import TextureRecipe
from stochgeom.errors import UserError

if TYPE_CHECKING:
    from simulate.imaging import ImagedSample
    from simulate.realise import Sample
    from simulate.recipe import Recipe
    from simulate.textures.realise import TextureSample


class CorpusWriter:
    """Writes shards of an existing store. Make or find the store with `prepare_store` first."""

    def __init__(self, out: str | Path, recipe: Recipe) -> None:
        self.group = zarr.open_group(LocalStore(layout.store_path(out)), mode="r+")
        self.recipe = recipe
        self.samples = int(self.group.attrs["samples"])  # type: ignore[arg-type]
        # A store that an earlier version began keeps the columns it began with.
        self._descriptors: list[str] = self.group.attrs["descriptor_names"]  # type: ignore[assignment]
        errors = bool(self.group.attrs.get("standard_error", False))
        self._arrays = [spec.name for spec in layout.sample_arrays(recipe, self.samples, errors)]

    def write_shard(self, shard: int, samples: Sequence[ImagedSample] | Sequence[TextureSample]) -> None:
        """Store all samples of a shard, in order, then mark it finished."""
        owned = layout.shard_range(shard, self.samples, self.recipe.samples_per_shard)
        if [sample.index for sample in samples] != list(owned):
            raise ValueError(f"shard {shard} needs the samples {owned.start} to {owned.stop - 1}, in order")
        columns = self._columns(samples)
        for name in self._arrays:
            _write_rows(_array(self.group, name), owned.start, owned.stop, columns[name])
        self.mark(("shard", shard), finished=True)

    def write_validation(self, task: int, rows: dict[str, NDArray[Any]]) -> None:
        """Store the reference probes of one aggregate, then mark them finished."""
        settings = self.recipe.probes
        assert settings is not None
        count = settings.places * settings.positions
        for spec in layout.validation_arrays(self.recipe):
            column = rows[spec.name.removeprefix("validation/")]
            _write_rows(_array(self.group, spec.name), task * count, (task + 1) * count, column)
        self.mark(("validation", task), finished=True)

    def mark(self, task: layout.Task, finished: bool) -> None:
        """Say that a task is finished, or take that back so that it is made again."""
        kind, number = task
        _array(self.group, layout.STATUS[kind])[number] = int(finished)

    def is_finished(self, task: layout.Task) -> bool:
        """Whether a task is finished; one whose entry cannot be read is not."""
        kind, number = task
        try:
            return bool(_array(self.group, layout.STATUS[kind])[number] == 1)
        except Exception:  # as zarr and its codecs raise them
            return False

    def _columns(self, samples: Sequence[Any]) -> dict[str, NDArray[Any]]:
        """Rows of every array for samples of the recipe's kind."""
        if isinstance(self.recipe, LamellaRecipe):
            return lamella_columns(self.recipe, samples, self._descriptors)
        if isinstance(self.recipe, TextureRecipe):
            return texture_columns(self.recipe, samples, self._descriptors)
        if isinstance(self.recipe, MicrographRecipe):
            return scene_columns(self.recipe, samples, self._descriptors)
        assert isinstance(self.recipe, AggregateRecipe)
        return _aggregate_columns(self.recipe, samples, self._descriptors)


def _aggregate_columns(
    recipe: AggregateRecipe, samples: Sequence[Sample], descriptors: Sequence[str]
) -> dict[str, NDArray[Any]]:
    slots, names = recipe.aggregate.largest_n, recipe.descriptor_names
    kept = [names.index(name) for name in descriptors]
    particles = np.full((len(samples), slots, len(layout.PARTICLE_COLUMNS)), np.nan, np.float32)
    for row, sample in zip(particles, samples, strict=True):
        row[: len(sample.particles)] = sample.particles
    columns: dict[str, NDArray[Any]] = {
        "images": np.stack([sample.image for sample in samples]),
        "parameters": np.stack([sample.parameters for sample in samples]),
        "descriptors": np.stack([sample.descriptors[kept] for sample in samples]),
        "pixel_size": np.array([sample.pixel_size_nm for sample in samples]),
        "particles": particles,
        "n_particles": np.array([len(sample.particles) for sample in samples], np.int32),
        "split": np.array([recipe.split.of(sample.index) for sample in samples], np.uint8),
        "draws": np.array([sample.draws for sample in samples], np.uint16),
        "truth/cropped": np.array([sample.cropped for sample in samples], np.uint8),
    }
    errors = [sample.standard_error for sample in samples if sample.standard_error is not None]
    return columns | ({layout.ERRORS: np.stack(errors)} if errors else {})


def prepare_store(out: str | Path, recipe: Recipe, samples: int, overwrite: bool = False) -> Path:
    """Make the store of a corpus, or find the one that the same recipe began. Returns its path.

    The store is built beside its place and renamed into it, so it is there complete or not at all. An
    existing store of another recipe or size is refused (UserError); it is replaced only with `overwrite`, and
    only if it is a corpus.
    """
    out = Path(out)
    final = layout.store_path(out)
    if final.exists() and not overwrite:
        _check_same(final, recipe, samples)
        return final
    if final.exists():
        _check_replaceable(final)
    fresh = final.with_name(f".{final.name}.{uuid.uuid4().hex}")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        _build(fresh, recipe, samples)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror or error}") from error
    else:
        if overwrite:
            for path in layout.descriptions(final.parent):  # of the corpus that goes
                path.unlink(missing_ok=True)
            remove_blocks(final.parent)
        _move_into_place(fresh, final, overwrite)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    _check_same(final, recipe, samples)
    return final


def _build(path: Path, recipe: Recipe, samples: int) -> None:
    """Create the group and all its arrays at `path`."""
    group = zarr.create_group(LocalStore(path), attributes=layout.attributes(recipe, samples), zarr_format=3)
    for spec in layout.arrays(recipe, samples):
        spec.create(group)


def _move_into_place(fresh: Path, final: Path, overwrite: bool) -> None:
    old = None
    if overwrite and final.exists():
        old = final.with_name(f".{final.name}.{uuid.uuid4().hex}.old")
        os.utime(final)  # its age as a leftover counts from now
        os.rename(final, old)
    try:
        os.rename(fresh, final)
    except OSError:
        # Another process of the same job array was first; its store serves as well.
        if not final.exists():
            if old is not None:
                os.rename(old, final)
            raise
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def read_attributes(path: Path) -> dict[str, Any]:
    """Attributes of the store at `path`; UserError if it is not a corpus of this version."""
    if not (path / "zarr.json").is_file():
        raise UserError(f"{path} is not a corpus (no zarr.json in it)")
    try:
        found = dict(zarr.open_group(LocalStore(path, read_only=True), mode="r").attrs)
    except Exception as error:
        raise UserError(f"{path} is not a readable corpus: {error}") from error
    if found.get("format") != "heterostem corpus":
        raise UserError(f"{path} is a Zarr store, but not a heterostem corpus")
    if found.get("schema_version") != layout.SCHEMA_VERSION:
        raise UserError(
            f"{path} has schema_version {found.get('schema_version')}; "
            f"this heterostem reads version {layout.SCHEMA_VERSION}"
        )
    return found


def _check_same(path: Path, recipe: Recipe, samples: int) -> None:
    found = read_attributes(path)
    if found["recipe_hash"] != recipe.hash:
        raise UserError(
            f"{path} was made with another recipe ({found['name']}, hash {str(found['recipe_hash'])[:12]}; "
            f"asked for {recipe.name}, {recipe.hash[:12]}); choose another place or overwrite it"
        )
    if found["samples"] != samples:
        raise UserError(
            f"{path} holds {found['samples']} samples, not {samples}; "
            "ask for the same number, choose another place or overwrite it"
        )


def _check_replaceable(path: Path) -> None:
    try:
        attributes = zarr.open_group(LocalStore(path, read_only=True), mode="r").attrs
        known = attributes.get("format") == "heterostem corpus"
    except Exception:
        known = False
    if not known:
        raise UserError(
            f"{path} is not a corpus and will not be replaced; remove it yourself or choose another place"
        )


def _write_rows(array: zarr.Array, start: int, stop: int, values: NDArray[Any]) -> None:
    """Write the rows start..stop of an array: one whole shard.

    Zarr reads a shard that is there before it replaces it. One that a crash of the machine cut short cannot
    be read; it is removed first.
    """
    try:
        array[start:stop] = values
    except ValueError:
        rows = (array.shards or array.chunks)[0]
        key = array.metadata.encode_chunk_key((start // rows, *(0 for _ in array.shape[1:])))
        sync((array.store_path / key).delete())
        array[start:stop] = values


def _array(group: zarr.Group, name: str) -> zarr.Array:
    found = group[name]
    assert isinstance(found, zarr.Array)
    return found
