"""Commands: generate, info, verify, calibrate."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stochgeom.errors import UserError

if TYPE_CHECKING:
    import cyclopts

    from simulate.calibration.calibrate import CalibrationSettings
    from simulate.recipe import Recipe


def register(app: cyclopts.App) -> None:
    """Add this package's commands to the application."""
    app.command(generate)
    app.command(info)
    app.command(verify)
    app.command(calibrate)


def generate(
    recipe: str,
    *,
    out: Path,
    samples: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    scheduler_file: Path | None = None,
    part: str | None = None,
    overwrite: bool = False,
    repair: bool = False,
    device: str = "cpu",
    estimate: bool = False,
) -> None:
    """Make a corpus, finish one that was begun, or repair one that was damaged.

    Parameters
    ----------
    recipe
        A recipe file (TOML); the name of a shipped one: demo, reference, tio2-wo3, faceted,
        multislice-small, windowed-30, or of textures lines-1-4, lines-3-7, lines-diagonal, gaussian-fields,
        discs, fibres, grains, lamellae; or the folder of a corpus, whose recipe is taken.
    out
        Folder of the corpus. Running again finishes what is missing and changes nothing that is finished.
    samples
        Number of samples, instead of the recipe's. Sample i is the same whatever the number.
    workers
        Worker processes on this machine. Default: one for each processor; with a CUDA device, one.
    scheduler
        Address of a Dask scheduler that runs already. Its workers must see OUT.
    scheduler_file
        File of a Dask scheduler that runs already.
    part
        K/N: make every N-th shard (of large images, block) from the K-th on, without Dask; for job arrays.
    overwrite
        Replace the corpus that is there.
    repair
        First read all that is finished, and make again what is damaged.
    device
        cpu; cuda or cuda:N, where the engine windowed computes waves, in every worker; auto: cuda if there is
        one.
    estimate
        Only measure for about half a minute, and say what time, memory and disk the corpus takes.
    """
    from simulate import generate as making
    from simulate.devices import CPU, device_for
    from simulate.recipe import Recipe

    loaded = Recipe.load(recipe)
    if estimate:
        if part or scheduler or scheduler_file or overwrite or repair or device != "cpu":
            raise UserError("--estimate makes nothing; beside it only --samples and --workers mean something")
        print_estimate(loaded, out, samples, processors() if workers is None else workers)
        return
    chosen = None if part is None else parse_part(part)
    if workers is None and chosen is None and scheduler is None and scheduler_file is None:
        workers = processors() if device_for(loaded, device) == CPU else 1
    made = making.generate(
        loaded,
        out,
        samples=samples,
        workers=workers,
        scheduler=scheduler,
        scheduler_file=scheduler_file,
        part=chosen,
        overwrite=overwrite,
        repair=repair,
        device=device,
    )
    left = len(making.missing_tasks(made))
    print(f"{made}: complete" if not left else f"{made}: {left} tasks left to other parts")


def print_estimate(recipe: Recipe, out: Path, samples: int | None, workers: int) -> None:
    """What a corpus in `out` would take, and how much room there is."""
    from simulate.estimate import estimate, size

    print(f"{recipe.name}: measuring for up to half a minute", file=sys.stderr, flush=True)
    print(estimate(recipe, samples, workers).text())
    place = next((folder for folder in (out, *out.absolute().parents) if folder.is_dir()), None)
    if place is not None:
        print(f"{size(shutil.disk_usage(place).free)} are free at {out}")


def parse_part(text: str) -> tuple[int, int]:
    """`K/N` as two numbers. UserError if it is not that."""
    pieces = text.split("/")
    if len(pieces) != 2 or not all(piece.isascii() and piece.isdigit() for piece in pieces):
        raise UserError(f"--part {text}: should be K/N, for example 3/16")
    return int(pieces[0]), int(pieces[1])


def info(path: Path, *, picture: Path | None = None) -> None:
    """Show what a corpus holds: size, splits, laws, engine, distance from multislice.

    Parameters
    ----------
    path
        Folder of the corpus.
    picture
        Also write a contact sheet of some of its images to this PNG file.
    """
    from simulate.corpus.card import overview
    from simulate.corpus.reader import Corpus

    corpus = Corpus.open(path)
    print(overview(corpus))
    if picture is not None:
        from simulate.pictures import contact_sheet

        print(f"contact sheet: {contact_sheet(corpus, picture)}")


def verify(path: Path, *, recompute: int = 3, seed: int | None = None, device: str = "cpu") -> None:
    """Check that a corpus is complete, in range and consistent, and recompute some samples.

    Exit code 0: all is well; 1: something is wrong, each thing on a line.

    Parameters
    ----------
    path
        Folder of the corpus.
    recompute
        Random samples to make again and compare: bit by bit where processor and versions are those that made
        the corpus, within 1e-4 elsewhere. Of images of several blocks, random blocks instead.
    seed
        Chooses the same samples every time.
    device
        Where they are made again: cpu, cuda, cuda:N or auto; within 1e-4 unless cpu made and compares them.
    """
    from simulate.corpus.reader import Corpus
    from simulate.corpus.verify import made_alike
    from simulate.corpus.verify import verify as check
    from simulate.devices import device_for

    for name, value in (("recompute", recompute), ("seed", seed or 0)):
        if value < 0:
            raise UserError(f"--{name} {value}: should be 0 or more")
    corpus = Corpus.open(path)
    device = device_for(corpus.recipe, device)
    found = check(corpus, recompute=recompute, seed=seed, device=device)
    for problem in found.problems:
        print(problem)
    if found.damaged:
        print(f"to make again what is damaged: {repair_command(path)}")
    if not found.ok:
        raise UserError(
            f"{path}: {len(found.problems)} problem{'s' if len(found.problems) > 1 else ''} found"
        )
    how = "bit by bit" if made_alike(corpus, device) else f"within {found.largest_difference:.1g}"
    again = f"; samples {', '.join(map(str, found.recomputed))} recomputed {how}" if found.recomputed else ""
    if found.recomputed_blocks:
        blocks = ", ".join(f"{block} of sample {sample}" for sample, block in found.recomputed_blocks)
        again = f"; of the images, which have several blocks each, block {blocks} recomputed {how}"
    print(f"{path}: {found.finished} of {found.samples} samples, all in order{again}")


def repair_command(path: Path) -> str:
    """Command that makes again what is damaged in a corpus, from the recipe that is stored in it."""
    # A bare name might also be that of a shipped recipe.
    place = shlex.quote(str(path) if len(path.parts) > 1 else os.path.join(os.curdir, path))
    return f"heterostem generate {place} --out {place} --repair"


def calibrate(
    *,
    out: Path,
    recipe: str | None = None,
    material: list[str] | None = None,
    energy_ev: float | None = None,
    directions: list[int] | None = None,
    probes: int = 1,
    band_mrad: float = 60.0,
    seed: int = 1,
    workers: int | None = None,
) -> None:
    """Make a response table by windowed multislice: intensity against thickness by beam direction.

    It can be stopped and run again. Point engine.table of a recipe at the file.

    Parameters
    ----------
    out
        The table, an .npz file. Parts are kept in OUT.parts until it is finished, and may be removed then.
    recipe
        Take materials and microscope from this recipe (file or shipped name).
    material
        Shipped materials instead: anatase, rutile, gamma-WO3. Repeat the option for several.
    energy_ev
        Beam energy in eV, where no recipe says it; 300000 by default.
    directions
        Beam directions, spread evenly over what symmetry leaves of the sphere: one number for all materials,
        or one for each, in their order, by repeating the option. 256 by default.
    probes
        Probes for each direction, each in a slab of its own.
    band_mrad
        Largest angle that waves keep; near zone axes twice the default is taken.
    seed
        Seed of directions, positions and displacements.
    workers
        Processes. Default: one for each processor.
    """
    from simulate.calibration.calibrate import calibrate as make_table

    numbers: dict[str, Any] = {"probes": probes, "band_mrad": band_mrad, "seed": seed}
    if directions:
        numbers["directions"] = directions[0] if len(directions) == 1 else tuple(directions)
    settings = calibration_settings(recipe, material, energy_ev, **numbers)
    command = "heterostem calibrate" + "".join(f" --directions {n}" for n in directions or ())
    command += f" --probes {probes} --band-mrad {band_mrad:g} --seed {seed}"
    command += "" if energy_ev is None else f" --energy-ev {energy_ev:g}"
    command += "".join(f" --material {name}" for name in material or ())
    command += "" if recipe is None else f" --recipe {Path(recipe).name}"
    print(make_table(settings, out, workers=workers or processors(), command=command))


def calibration_settings(
    recipe: str | None, material: list[str] | None, energy_ev: float | None = None, **numbers: Any
) -> CalibrationSettings:
    """Settings of a calibration for a recipe's phases and microscope, or for shipped materials."""
    from pydantic import ValidationError

    from simulate.aggregate_recipe import AggregateRecipe
    from simulate.calibration.calibrate import CalibrationSettings
    from simulate.realise import material_of
    from simulate.recipe_errors import one_line

    chosen: dict[str, Any] = dict(numbers)
    if recipe is not None and material:
        raise UserError("give either --recipe or --material, not both")
    if recipe is not None and energy_ev is not None:
        raise UserError("give either --recipe or --energy-ev, not both")
    if recipe is not None:
        # The table that the recipe names may be the very one that is to be made.
        loaded = AggregateRecipe.load(recipe, with_table=False)
        chosen["materials"] = tuple(material_of(loaded, name) for name in loaded.phase_names)
        chosen["microscope"] = loaded.microscope
    elif material:
        chosen["materials"] = tuple(material)
    if energy_ev is not None:
        chosen["microscope"] = {"energy_ev": energy_ev}
    try:
        return CalibrationSettings(**chosen)
    except ValidationError as error:
        raise UserError(one_line(error, CalibrationSettings, chosen)) from None


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
