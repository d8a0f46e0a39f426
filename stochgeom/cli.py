"""Commands: sample."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from .errors import UserError

if TYPE_CHECKING:
    import cyclopts

    from .parameters import AggregateParameters

Names = Annotated[list[str] | None, Parameter(consume_multiple=True, negative_iterable="")]
Numbers = Annotated[list[float] | None, Parameter(consume_multiple=True, negative_iterable="")]


def register(app: cyclopts.App) -> None:
    """Add this package's commands to the application."""
    app.command(sample)


def sample(
    *,
    out: Path = Path("aggregates"),
    count: int = 1,
    seed: int = 0,
    parameters: Path | None = None,
    n_particles: int | None = None,
    species: Names = None,
    fractions: Numbers = None,
    median_radii_nm: Numbers = None,
    geometric_sds: Numbers = None,
    mean_cluster_sizes: Numbers = None,
    fractal_dimension: float | None = None,
    fractal_prefactor: float | None = None,
    hetero_affinity: float | None = None,
    overlap: float | None = None,
    kernel: Literal["tunable", "ballistic", "diffusion-limited"] | None = None,
    growth: Literal["cluster-cluster", "particle-cluster"] | None = None,
    coordination: float | None = None,
    pose: Literal["random", "resting"] | None = None,
    pictures: bool = True,
    vtk: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Sample 3D aggregates: structures (extended XYZ, VTK), a table of descriptors, pictures.

    Parameters
    ----------
    out
        Folder for aggregate-0000.xyz, aggregate-0000.png and so on, and descriptors.csv.
    count
        Number of aggregates. Aggregate i depends on the seed and i alone.
    seed
        Seed of the random numbers.
    parameters
        TOML file whose table [aggregate] holds the parameters as numbers, as a recipe's does (other radius
        laws, fractions by mass, shapes and phases go there); options override it.
    n_particles
        Number of particles.
    species
        Names, for example: --species TiO2 WO3. Default: the TiO2/WO3 aggregates of the experiment.
    fractions
        Fraction of each species, by number unless the file says otherwise.
    median_radii_nm
        Median radius of each species, nm.
    geometric_sds
        Geometric standard deviation of the radii of each species.
    mean_cluster_sizes
        Mean number of particles of each species' primary clusters.
    fractal_dimension
        Df of N = kf (Rg / r_v)^Df.
    fractal_prefactor
        kf of that law.
    hetero_affinity
        Log-odds added to merges that join unlike particles.
    overlap
        Neck coefficient, 0 to 0.33.
    kernel
        How clusters join: to the fractal law, or by colliding, which ignores Df and kf.
    growth
        Clusters of like masses join, or particles join one aggregate (kernels that collide).
    coordination
        Mean number of contacts, 2 to about 3: branches bend into loops.
    pose
        Isotropic orientation, or a stable pose on a film.
    pictures
        Draw each aggregate in the colours of its species, beside its projection.
    vtk
        Write aggregate-0000.vtk and so on as well, for ParaView: particles as points, contacts as lines.
    """
    chosen = {
        "n_particles": n_particles,
        "fractal_dimension": fractal_dimension,
        "fractal_prefactor": fractal_prefactor,
        "hetero_affinity": hetero_affinity,
        "overlap": overlap,
        "kernel": kernel,
        "growth": growth,
        "coordination": coordination,
        "pose": pose,
    }
    table = _table(parameters) | {key: value for key, value in chosen.items() if value is not None}
    columns = {
        "name": species,
        "fraction": fractions,
        "median_nm": median_radii_nm,
        "geometric_sd": geometric_sds,
        "mean_cluster_size": mean_cluster_sizes,
    }
    _set_species(table, columns)
    if count < 1:
        raise UserError(f"--count {count}: at least 1 is needed")
    if seed < 0:
        raise UserError(f"--seed {seed}: should be 0 or more")
    from .samples import descriptor_text, write_samples

    rows = write_samples(_validated(table, parameters), out, count, seed, pictures, vtk)
    print(descriptor_text(rows))
    print(f"{out}: {count} aggregate{'s' if count > 1 else ''}, descriptors.csv")


def _table(path: Path | None) -> dict[str, Any]:
    """The [aggregate] table of a TOML file, or that of the default parameters."""
    from .parameters import AggregateParameters

    if path is None:
        return AggregateParameters().model_dump()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--parameters {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a TOML file: {error}") from error
    if not isinstance(content.get("aggregate"), dict):
        raise UserError(f"{path}: a table [aggregate] is needed")
    table = dict(content["aggregate"])
    _refuse_laws(path, "aggregate", table)
    shared = table.pop("mean_cluster_size", 1.0)
    species = table.get("species", AggregateParameters().model_dump()["species"])
    if not isinstance(species, list | tuple) or not all(isinstance(one, dict) for one in species):
        raise UserError(f"{path}: aggregate.species: tables [[aggregate.species]] are needed")
    table["species"] = [{"mean_cluster_size": shared, **one} for one in species]
    stated = [one.get("fraction") for one in table["species"]]
    if not all(isinstance(f, int | float) or f in (None, "remainder") for f in stated):
        raise UserError(f'{path}: aggregate.species: fractions should be numbers, or one "remainder"')
    for one in table["species"]:
        if one.get("fraction") == "remainder" and stated.count("remainder") == 1:
            one["fraction"] = 1.0 - sum(f for f in stated if isinstance(f, int | float))
    return table


def _refuse_laws(path: Path, where: str, value: Any) -> None:
    if isinstance(value, dict):
        if "law" in value and not where.endswith(".radii"):
            raise UserError(f"{path}: {where} is a law; sample needs numbers")
        for key, one in value.items():
            _refuse_laws(path, f"{where}.{key}", one)
    elif isinstance(value, list):
        for k, one in enumerate(value):
            _refuse_laws(path, f"{where}[{k}]", one)


def _set_species(table: dict[str, Any], columns: dict[str, list | None]) -> None:
    """Override the species of `table` with the options, which must all be as long as there are species."""
    names = columns["name"]
    if names is not None and len(names) != len(table["species"]):
        missing = [key for key in ("fraction", "median_nm") if columns[key] is None]
        if missing:
            raise UserError(
                "--species of another number than before needs --fractions and --median-radii-nm too"
            )
        table["species"] = [{"radii": {"law": "lognormal"}, "mean_cluster_size": 1.0} for _ in names]
    if not all(isinstance(one.get("radii", {}), dict) for one in table["species"]):
        raise UserError("aggregate.species: radii should be a table, for example { median_nm = 5 }")
    rows = [dict(one, radii=dict(one.get("radii", {}))) for one in table["species"]]
    for key, values in columns.items():
        if values is None:
            continue
        if len(values) != len(rows):
            raise UserError(f"{key}: {len(values)} values for {len(rows)} species")
        for row, value in zip(rows, values, strict=True):
            (row["radii"] if key in ("median_nm", "geometric_sd") else row)[key] = value
    table["species"] = rows


def _validated(table: dict[str, Any], path: Path | None) -> AggregateParameters:
    from pydantic import ValidationError

    from .parameters import AggregateParameters

    try:
        return AggregateParameters.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        found = f" = {first['input']}" if isinstance(first["input"], (int, float, str)) else ""
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        source = f"{path}: " if path else ""
        message = first["msg"].removeprefix("Value error, ")
        place = f"{where}{found}: " if where else ""
        raise UserError(f"{source}{place}{message}{more}") from error
