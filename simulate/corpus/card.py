"""What lies beside a corpus for its readers: a dataset card, ML Croissant metadata, and provenance."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulate.aggregate_recipe import AggregateRecipe
from simulate.corpus import layout
from simulate.corpus.block_files import kept_blocks
from simulate.corpus.provenance import provenance
from simulate.lamella import card as lamella_card
from simulate.lamella.recipe import LamellaRecipe
from simulate.laws import describe_law
from simulate.micrographs import card as scene_card
from simulate.micrographs.recipe import MicrographRecipe
from simulate.realism import Realism
from simulate.recipe_settings import SPLITS, ResponseSettings
from simulate.textures import card as texture_card
from simulate.textures.recipe import TextureRecipe
from stochgeom.files import write_text

if TYPE_CHECKING:
    from simulate.corpus.reader import Corpus
    from simulate.recipe import Recipe


def write_card(corpus: Corpus) -> None:
    """Write README.md, croissant.json and provenance.json beside a finished corpus."""
    folder = corpus.path.parent
    write_text(folder / "README.md", card(corpus))
    _write_json(folder / "croissant.json", croissant(corpus))
    _write_json(folder / "provenance.json", provenance(corpus))


def _write_json(path: Path, data: dict[str, Any]) -> None:
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def card(corpus: Corpus) -> str:
    """Dataset card in Markdown: what it is, the sampling law of every parameter, engine, layout, splits."""
    recipe = corpus.recipe
    sections = [
        f"# {recipe.name}\n\n{recipe.description.strip()}".rstrip(),
        _table(("fact", "value"), fact_rows(corpus)),
        "## Sampling laws\n\n" + _table(("parameter", "law"), law_rows(corpus)),
        "## Image formation\n\n" + _image_formation(corpus),
        *_validation_section(corpus),
        *_realism_section(corpus),
        "## Layout\n\n" + _table(("array", "shape", "type", "unit", "meaning"), _array_rows(corpus)),
        f"Columns of `parameters`: {', '.join(f'`{name}`' for name in corpus.parameter_names)}.\n\n"
        f"Columns of `descriptors`: {', '.join(f'`{name}`' for name in corpus.descriptor_names)}.\n\n"
        + _last_words(corpus),
    ]
    return "\n\n".join(sections) + "\n"


def _realism_section(corpus: Corpus) -> list[str]:
    if not corpus.imaged and corpus.recipe.realism == Realism():
        return []
    rows = [(key, describe_law(value)) for key, value in corpus.recipe.realism.laws.items()]
    return ["## Realism, applied on reading\n\n" + _table(("quantity", "law"), rows)]


def _last_words(corpus: Corpus) -> str:
    """Columns of the particles; of textures, what the columns mean and how the bits are read."""
    if isinstance(corpus.recipe, LamellaRecipe):
        return f"{texture_card.columns_in_words(corpus)}\n\n{lamella_card.COLUMNS_IN_WORDS}"
    if isinstance(corpus.recipe, TextureRecipe):
        return texture_card.columns_in_words(corpus)
    if isinstance(corpus.recipe, MicrographRecipe):
        return scene_card.columns_in_words(corpus)
    return f"Columns of `particles`: {', '.join(f'`{name}`' for name in layout.PARTICLE_COLUMNS)}."


def _validation_section(corpus: Corpus) -> list[str]:
    rows = validation_rows(corpus)
    return ["## Distance from the reference\n\n" + _table(("channel", "figures"), rows)] if rows else []


def overview(corpus: Corpus) -> str:
    """What `heterostem info` prints: facts, laws, image formation, distance from the reference, as aligned
    text.
    """
    done, kept = corpus.finished, len(kept_blocks(corpus.path.parent))
    blocks = [
        [
            ("corpus", f"{corpus.recipe.name}, {int(done.sum())} of {len(done)} shards finished"),
            *([("blocks", f"{kept} finished, of unfinished shards")] if kept else []),
            *fact_rows(corpus),
        ],
        law_rows(corpus),
        [("image formation", _image_formation(corpus))],
        validation_rows(corpus),
    ]
    width = max(len(name) for block in blocks for name, _ in block)
    return "\n\n".join(
        "\n".join(f"{name:<{width}}  {value}" for name, value in block) for block in blocks if block
    )


def validation_rows(corpus: Corpus) -> list[tuple[str, str]]:
    """How far the response images are from the reference probes, one row for each channel."""
    columns = corpus.validation
    if columns is None:
        return []
    from simulate.validation import summarise

    rows = []
    for channel, name in enumerate(corpus.channel_names):
        s = summarise(columns, channel)
        rows.append(
            (
                f"against multislice, {name}",
                f"{s['probes']:.0f} probes, {s['places']:.0f} places, {s['aggregates']:.0f} aggregates: "
                f"ratio {s['ratio']:.3f} ± {s['ratio_standard_error']:.3f}, RMSE/sd {s['rmse_over_sd']:.3f}, "
                f"1 - R2 {s['unexplained']:.3f} ({s['unexplained_corrected']:.3f} without its scatter)",
            )
        )
    return rows


def fact_rows(corpus: Corpus) -> list[tuple[str, str]]:
    """Facts about a corpus, by name."""
    recipe = corpus.recipe
    ny, nx = recipe.image_shape
    return [
        ("samples", _samples(corpus)),
        ("images", f"{ny} x {nx} pixels (y, x), channels: {', '.join(corpus.channel_names)}"),
        *_rows_of_kind(corpus),
        ("seed", str(recipe.seed)),
        ("recipe hash", recipe.hash),
    ]


def _samples(corpus: Corpus) -> str:
    """How many there are, how many of them are finished, and in which splits these are."""
    done = corpus.indices()
    if len(done) == 0:
        return f"none of {len(corpus)} finished yet"
    codes = corpus.rows(corpus.split)[done]
    splits = ", ".join(f"{np.count_nonzero(codes == code)} {name}" for code, name in enumerate(SPLITS))
    count = f"{len(done)}" if len(done) == len(corpus) else f"{len(done)} of {len(corpus)} finished"
    return f"{count} ({splits})"


def _rows_of_kind(corpus: Corpus) -> list[tuple[str, str]]:
    rows = {"texture": texture_card.sample_rows, "scene": scene_card.sample_rows}
    return rows.get(corpus.kind, _sample_rows)(corpus)


def _sample_rows(corpus: Corpus) -> list[tuple[str, str]]:
    """Sums over the finished samples; nothing where there are none."""
    done = corpus.indices()
    if len(done) == 0:
        return []
    names = ("pixel_size", "n_particles", "draws", "truth/cropped")
    pixels, counts, draws, cropped = (corpus.rows(corpus.array(name))[done] for name in names)
    redrawn = 1 - len(draws) / draws.sum(dtype=float)
    return [
        ("pixel size", spread(pixels, "nm")),
        ("particles", spread(counts, "")),
        ("drawn again", f"{100 * redrawn:.1f} % of the parameter draws were infeasible and replaced"),
        ("cropped", f"{np.count_nonzero(cropped == 1)} samples leave the field"),
    ]


def spread(values: Any, unit: str) -> str:
    """Smallest, largest and median value in words."""
    low, middle, high = np.quantile(np.asarray(values, float), (0, 0.5, 1))
    return f"{low:.4g} to {high:.4g}, median {middle:.4g} {unit}".rstrip()


def descriptor_rows(
    corpus: Corpus, told: Callable[[str, NDArray[np.float64]], bool]
) -> list[tuple[str, str]]:
    """Pixel size, the descriptors that are to be told (by name and the defined values), and how often draws
    were repeated, over the finished samples; nothing where there are none.
    """
    done = corpus.indices()
    if len(done) == 0:
        return []
    pixels, draws = (corpus.rows(array)[done] for array in (corpus.pixel_size, corpus.draws))
    rows = [("pixel size", spread(pixels, "nm"))]
    for name, values in zip(corpus.descriptor_names, corpus.rows(corpus.descriptors)[done].T, strict=True):
        defined = values[np.isfinite(values)]
        if len(defined) and told(name, defined):
            unit = corpus.attributes["units"].get(name, "1")
            rows.append((name, spread(defined, "" if unit == "1" else unit)))
    redrawn = 1 - len(draws) / draws.sum(dtype=float)
    again = f"{100 * redrawn:.1f} % of the parameter draws were infeasible and replaced"
    return [*rows, ("drawn again", again)]


def law_rows(corpus: Corpus) -> list[tuple[str, str]]:
    """Parameter and law, in words, for every parameter of the recipe."""
    recipe = corpus.recipe
    if isinstance(recipe, TextureRecipe):
        lamella = lamella_card.law_rows(recipe) if isinstance(recipe, LamellaRecipe) else []
        return [*recipe.laws.in_words(), *lamella, *_joint_law_rows(recipe)]
    if isinstance(recipe, MicrographRecipe):
        return [*scene_card.law_rows(recipe), *_joint_law_rows(recipe)]
    assert isinstance(recipe, AggregateRecipe)
    laws = recipe.aggregate
    fractal = ("fractal_dimension", "fractal_prefactor") if laws.kernel == "tunable" else ()
    names = ("n_particles", *fractal, "hetero_affinity", "overlap", "mean_cluster_size")
    rows = [(name, describe_law(getattr(laws, name))) for name in names]
    for species in laws.species:
        fraction = species.fraction
        rows.append(
            (
                f"{species.name}: {laws.fractions} fraction",
                fraction if isinstance(fraction, str) else describe_law(fraction),
            )
        )
        radii = ", ".join(
            f"{key} {value if isinstance(value, str) else describe_law(value)}"
            for key, value in species.radii.items()
        )
        rows.append((f"{species.name}: radii", radii))
        if species.mean_cluster_size is not None:
            rows.append((f"{species.name}: mean cluster size", describe_law(species.mean_cluster_size)))
        if species.phases:
            rows.append(
                (f"{species.name}: phases", ", ".join(f"{k} {v:g}" for k, v in species.phases.items()))
            )
        shapes = {species.name: species.shape} | (species.shapes or {})
        rows += [
            (f"{name}: shape", ", ".join(f"{key} {value}" for key, value in table.items()))
            for name, table in shapes.items()
            if table is not None
        ]
    rows += [("kernel", f"{laws.kernel}, {laws.growth}"), ("pose", laws.pose)]
    if laws.coordination is not None:
        rows.append(("coordination", describe_law(laws.coordination)))
    for name in ("pixel_size_nm", "fit"):
        number = getattr(recipe.field, name)
        if number is not None:
            rows.append((f"field {name}", describe_law(number)))
    return [*rows, *_joint_law_rows(recipe)]


def _joint_law_rows(recipe: Recipe) -> list[tuple[str, str]]:
    pairs = [(f"correlation {one}, {other}", f"{r:g}") for one, other, r in recipe.sampling.correlations]
    return [("points", recipe.sampling.points), *pairs]


def _image_formation(corpus: Corpus) -> str:
    if not corpus.imaged:
        return texture_card.IMAGE_FORMATION
    recipe = corpus.imaged_recipe
    scope, engine = recipe.microscope, recipe.engine
    if isinstance(engine, ResponseSettings):
        source = (
            f"table `{engine.table}`"
            if engine.table
            else f"coefficients per µm {engine.coefficients_per_um}, "
            f"lognormal particle-to-particle jitter {100 * engine.jitter:g} %"
        )
        text = f"Engine `response`: {source}; each pixel is the mean of {engine.oversampling}² points" + (
            f", each of {engine.cone_rays} rays of the beam's cone." if engine.cone_rays > 1 else "."
        )
    else:
        settings = ", ".join(f"{key} {value}" for key, value in engine.model_dump(exclude={"name"}).items())
        text = f"Engine `{engine.name}`{' (abTEM)' if engine.name == 'multislice' else ''}: {settings}."
    return (
        f"{text} Images are fractions of the incident beam at {scope.energy_ev / 1e3:g} kV, convergence "
        f"{scope.convergence_mrad:g} mrad, focus {scope.focus_nm:g} nm. Clean images are stored."
    )


def _array_rows(corpus: Corpus) -> list[tuple[str, ...]]:
    recipe = corpus.recipe
    specs = layout.sample_arrays(recipe, len(corpus), corpus.has_errors) + layout.validation_arrays(recipe)
    return [(f"`{s.name}`", f"{s.shape}", s.dtype, s.unit or "by column", s.meaning) for s in specs]


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [" | ".join(head), " | ".join("---" for _ in head), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines)


def croissant(corpus: Corpus) -> dict[str, Any]:
    """ML Croissant 1.0 description (JSON-LD) of the corpus."""
    recipe = corpus.recipe
    store = {
        "@type": "cr:FileSet",
        "@id": "store",
        "name": "store",
        "description": "Zarr v3 store",
        "encodingFormat": "application/x-zarr",
        "includes": f"{layout.STORE}/**",
    }
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"samples/{spec.name}",
            "name": f"samples/{spec.name}",
            "description": f"{spec.meaning}; axes {', '.join(spec.axes)}; unit {spec.unit or 'by column'}",
            "dataType": "sc:Float" if spec.dtype.startswith("float") else "sc:Integer",
            "source": {"fileSet": {"@id": "store"}, "extract": {"fileProperty": "content"}},
        }
        for spec in layout.sample_arrays(recipe, len(corpus), corpus.has_errors)
    ]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": recipe.name,
        "description": recipe.description.strip() or f"{_SUBJECTS[recipe.kind]}, recipe {recipe.name}",
        "version": f"{layout.SCHEMA_VERSION}.0.0",
        "identifier": recipe.hash,
        "distribution": [store],
        "recordSet": [{"@type": "cr:RecordSet", "@id": "samples", "name": "samples", "field": fields}],
    }


_SUBJECTS = {
    "aggregate": "Synthetic STEM images of hetero-aggregates",
    "texture": "Two-phase textures",
    "scene": "Synthetic atomically resolved STEM micrographs with their truth",
}

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "recordSet": "cr:recordSet",
    "field": "cr:field",
    "fileSet": "cr:fileSet",
    "includes": "cr:includes",
    "extract": "cr:extract",
    "fileProperty": "cr:fileProperty",
    "source": "cr:source",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
}
