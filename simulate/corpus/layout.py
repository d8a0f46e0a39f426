"""Names, shapes and codecs of a corpus on disk; the one place that knows them.

`OUT/corpus.zarr` is a Zarr v3 group. Every per-sample array shares the shard borders of `images`: shard k
holds the samples k S to (k + 1) S, with S = `samples_per_shard` of the recipe. `status[k]` is 1 once shard k
is complete.
"""

from __future__ import annotations

import platform
import re
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulate.aggregate_recipe import AggregateRecipe
from simulate.corpus.array_spec import NAN, ArraySpec
from simulate.lamella.arrays import ERRORS, QUATERNION, lamella_arrays
from simulate.lamella.recipe import LamellaRecipe
from simulate.micrographs.arrays import scene_arrays, scene_attributes
from simulate.micrographs.recipe import MicrographRecipe
from simulate.recipe_settings import SPLITS, BlockSettings
from simulate.textures.arrays import texture_arrays
from simulate.textures.recipe import TextureRecipe
from stochgeom.errors import UserError

if TYPE_CHECKING:
    from simulate.recipe import Recipe

SCHEMA_VERSION = 1
STORE = "corpus.zarr"
RUNS = "runs"
"""Folder beside the store with a record of every run that made a part of it."""
BLOCKS = "blocks"
"""Folder beside the store with the finished blocks of images whose shard is not finished."""

PARTICLE_COLUMNS = (
    "x_nm",
    "y_nm",
    "z_nm",
    "radius_nm",
    "species",
    "cluster",
    "phase",
    "qx",
    "qy",
    "qz",
    "qw",
)
PROBE_COLUMNS = ("sample", "y", "x", "place", "intensity", "standard_error", "response")
_RUN = re.compile(r"run-\d{8}T\d{6}Z-[0-9a-f]{32}\.json")

Task = tuple[str, int]
"""What one writer makes at a time: `shard` and its number, `validation` and that of a probed aggregate, or
`block` and a number that `block_task` makes.
"""

STATUS = {"validation": "validation/status", "shard": "status"}
"""Array that says which tasks of a kind are finished; the kind of the longest tasks first."""


def shard_count(samples: int, samples_per_shard: int) -> int:
    """Number of shards that hold `samples` samples."""
    return -(-samples // samples_per_shard)


def shard_range(shard: int, samples: int, samples_per_shard: int) -> range:
    """Samples of a shard."""
    return range(shard * samples_per_shard, min((shard + 1) * samples_per_shard, samples))


def reports_errors(recipe: Recipe) -> bool:
    """Whether images are means over several configurations of atoms, so that they have a standard error."""
    engine = getattr(recipe, "engine", None)
    return isinstance(engine, BlockSettings) and engine.phonon_configurations > 1


def block_task(recipe: Recipe, sample: int, block: int) -> Task:
    """The task that makes a block of a sample (and cheap ones beside it, of which this is the first)."""
    ny, nx = recipe.image_shape  # an image has no more blocks than pixels
    return "block", sample * ny * nx + block


def block_of(recipe: Recipe, task: Task) -> tuple[int, int]:
    """Sample and block of such a task."""
    ny, nx = recipe.image_shape
    return divmod(task[1], ny * nx)


def sample_arrays(recipe: Recipe, samples: int, errors: bool | None = None) -> list[ArraySpec]:
    """Every array that has one entry for each sample.

    errors: whether the store has `truth/standard_error`, which an earlier version left out; None asks the
    recipe.
    """
    errors = reports_errors(recipe) if errors is None else errors
    if isinstance(recipe, LamellaRecipe):
        return lamella_arrays(recipe, samples, errors)
    if isinstance(recipe, TextureRecipe):
        return texture_arrays(recipe, samples)
    if isinstance(recipe, MicrographRecipe):
        return scene_arrays(recipe, samples, errors)
    assert isinstance(recipe, AggregateRecipe)
    return _aggregate_arrays(recipe, samples, errors)


def _aggregate_arrays(recipe: AggregateRecipe, samples: int, errors: bool) -> list[ArraySpec]:
    n, per_shard, slots = samples, recipe.samples_per_shard, recipe.aggregate.largest_n
    channels, (ny, nx) = len(recipe.channel_names), recipe.field.shape

    def spec(name: str, tail: dict[str, int], dtype: str, fill: float, unit: str, meaning: str) -> ArraySpec:
        chunk = 1 if name in ("images", ERRORS) else per_shard
        return ArraySpec(
            name, (n, *tail.values()), dtype, ("sample", *tail), chunk, per_shard, fill, unit, meaning
        )

    image = {"channel": channels, "y": ny, "x": nx}
    table = {"slot": slots, "column": len(PARTICLE_COLUMNS)}
    found = [
        spec("images", image, "float32", NAN, "1", "fraction of the incident beam"),
        spec(
            "parameters", {"parameter": len(recipe.parameter_names)}, "float64", NAN, "", "asked of the model"
        ),
        spec(
            "descriptors",
            {"descriptor": len(recipe.descriptor_names)},
            "float64",
            NAN,
            "",
            "of the aggregate",
        ),
        spec("pixel_size", {}, "float64", NAN, "nm", "side of a pixel"),
        spec("particles", table, "float32", NAN, "", "particles; x, y from the field's centre; NaN-padded"),
        spec("n_particles", {}, "int32", 0, "1", "filled slots of `particles`"),
        spec("split", {}, "uint8", 255, "1", "position in the attribute `splits`"),
        spec("draws", {}, "uint16", 0, "1", "parameter draws until one was feasible"),
        spec("truth/cropped", {}, "uint8", 255, "1", "1 where material leaves the field"),
    ]
    meaning = "of `images`: of the mean over the configurations of atoms"
    return [*found, spec(ERRORS, image, "float32", NAN, "1", meaning)] if errors else found


def validation_arrays(recipe: Recipe) -> list[ArraySpec]:
    """Arrays of the reference probes: one row for each probe, one chunk for each aggregate."""
    settings = recipe.probes
    if settings is None:
        return []
    rows = settings.aggregates * settings.places * settings.positions
    per_task, channels = settings.places * settings.positions, len(recipe.channel_names)

    def spec(name: str, tail: dict[str, int], dtype: str, fill: float, meaning: str) -> ArraySpec:
        axes = ("probe", *tail)
        return ArraySpec(
            f"validation/{name}", (rows, *tail.values()), dtype, axes, per_task, per_task, fill, "1", meaning
        )

    channel = {"channel": channels}
    return [
        spec("sample", {}, "int32", -1, "sample whose aggregate is probed"),
        spec("y", {}, "float64", NAN, "row of the probe, in pixels; pixel i covers i - 0.5 to i + 0.5"),
        spec("x", {}, "float64", NAN, "column of the probe, in pixels"),
        spec("place", {}, "int32", -1, "probes of one place lie in the same pixel"),
        spec("intensity", channel, "float64", NAN, "fraction of the beam by the reference engine"),
        spec("standard_error", channel, "float64", NAN, "of the mean over a place's probes"),
        spec("response", channel, "float64", NAN, "fraction of the beam by the corpus' engine, same points"),
    ]


def arrays(recipe: Recipe, samples: int, errors: bool | None = None) -> list[ArraySpec]:
    """Every array of a corpus; `errors` as in `sample_arrays`."""
    found = [*sample_arrays(recipe, samples, errors), *validation_arrays(recipe)]
    found.append(status_array(STATUS["shard"], shard_count(samples, recipe.samples_per_shard)))
    if recipe.probes is not None:
        found.append(status_array(STATUS["validation"], recipe.probes.aggregates))
    return found


def status_array(name: str, count: int) -> ArraySpec:
    """One entry and one chunk for each shard; written last."""
    return ArraySpec(name, (count,), "uint8", ("shard",), 1, 1, 0, "1", "1 once the shard is complete")


def attributes(recipe: Recipe, samples: int) -> dict[str, Any]:
    """Attributes of the store: what it is, how it was made, and the name of every column."""
    return {
        "format": "heterostem corpus",
        "kind": recipe.kind,
        "schema_version": SCHEMA_VERSION,
        "name": recipe.name,
        "samples": samples,
        "samples_per_shard": recipe.samples_per_shard,
        "recipe": recipe.canonical,
        "recipe_hash": recipe.hash,
        "versions": versions(),
        "processor": processor(),
        "channel_names": list(recipe.channel_names),
        "parameter_names": list(recipe.parameter_names),
        "descriptor_names": list(recipe.descriptor_names),
        **_own_attributes(recipe),
        "splits": list(SPLITS),
        "standard_error": reports_errors(recipe),
        "units": {name: unit_of(name) for name in (*recipe.parameter_names, *recipe.descriptor_names)},
    }


def _own_attributes(recipe: Recipe) -> dict[str, Any]:
    """What only recipes of one kind have."""
    if isinstance(recipe, LamellaRecipe):
        return {"phase_names": list(recipe.lamella.phases), "orientation_components": list(QUATERNION)}
    if isinstance(recipe, MicrographRecipe):
        return scene_attributes(recipe)
    if not isinstance(recipe, AggregateRecipe):
        return {}
    return {
        "particle_columns": list(PARTICLE_COLUMNS),
        "species_names": list(recipe.species_names),
        "phase_names": list(recipe.phase_names),
    }


def unit_of(column: str) -> str:
    """Unit of a parameter or descriptor column, told by its name: areas carry `_nm2`, lengths `_nm` or
    `_pm`, angles `_degrees` or `_mrad`, numbers per area `_per_nm2`; the rest are numbers.
    """
    units = (
        ("_per_nm2", "1/nm²"), ("_nm2", "nm²"), ("_nm", "nm"), ("_pm", "pm"), ("_degrees", "°"),
        ("_mrad", "mrad"),
    )  # fmt: skip
    return next((unit for ending, unit in units if ending in column), "1")


def versions() -> dict[str, str]:
    """Versions that the bytes depend on."""
    found = {"python": platform.python_version()}
    for package in ("heterostem", "numpy", "scipy", "numba", "zarr", "abtem", "ase"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """Model of the processor, for example to tell whether recomputed samples should agree bit by bit."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def run_records(folder: Path) -> list[Path]:
    """Records of the runs that filled the corpus in `folder`, in the order in which these began."""
    return sorted(path for path in (folder / RUNS).glob("run-*.json") if _RUN.fullmatch(path.name))


def descriptions(folder: Path) -> list[Path]:
    """Files that describe the corpus in `folder`, whether they are there or not."""
    return [
        *(folder / name for name in ("README.md", "croissant.json", "provenance.json")),
        *run_records(folder),
    ]


def store_path(out: str | Path) -> Path:
    """The Zarr store of a corpus at `out`; `out` may also be the store itself."""
    if re.match(r"^[a-z0-9]{2,}:/", str(out)):  # Path turns s3://x into s3:/x
        raise UserError(f"{out}: corpora lie in folders of a file system; addresses are not accepted")
    path = Path(out)
    return path if path.name == STORE else path / STORE
