"""The command `sample`, and the pictures it writes."""

from __future__ import annotations

import csv

import cyclopts
import numpy as np
import pytest

import stochgeom.cli
from stochgeom import (
    AggregateParameters,
    Field,
    HeteroAggregate,
    UserError,
    describe,
    describe_projection,
    sample_aggregate,
)


def run(*tokens: str) -> None:
    app = cyclopts.App(name="heterostem", result_action="return_value", exit_on_error=False)
    stochgeom.cli.register(app)
    app(["sample", *tokens])


def rows(folder):
    with open(folder / "descriptors.csv", newline="") as stream:
        return list(csv.DictReader(stream))


def test_files_hold_the_same_aggregates_as_the_table(tmp_path, capsys):
    run("--count", "2", "--seed", "3", "--n-particles", "15", "--out", str(tmp_path / "new" / "folder"))
    out = tmp_path / "new" / "folder"
    assert "2 aggregates" in capsys.readouterr().out
    table = rows(out)
    assert [row["file"] for row in table] == ["aggregate-0000.xyz", "aggregate-0001.xyz"]
    for row in table:
        aggregate = HeteroAggregate.from_extxyz(out / row.pop("file"))
        for name, value in (describe(aggregate) | describe_projection(aggregate)).items():
            assert float(row[name]) == pytest.approx(value, rel=1e-9, nan_ok=True)
    for k in range(2):
        assert (out / f"aggregate-{k:04d}.png").read_bytes()[:4] == b"\x89PNG"


def test_the_table_is_printed_too(tmp_path, capsys):
    run("--n-particles", "12", "--no-pictures", "--out", str(tmp_path))
    one = dict(line.split() for line in capsys.readouterr().out.splitlines()[1:-1])
    assert list(one) == list(rows(tmp_path)[0])[1:]
    assert float(one["count"]) == 12
    run("--n-particles", "12", "--no-pictures", "--count", "3", "--out", str(tmp_path))
    table = rows(tmp_path)
    several = {
        name: (mean, sd) for name, mean, sd in map(str.split, capsys.readouterr().out.splitlines()[1:-1])
    }
    values = np.array([float(row["extent_nm"]) for row in table])
    assert float(several["extent_nm"][0]) == pytest.approx(values.mean(), rel=1e-4)
    assert float(several["extent_nm"][1]) == pytest.approx(values.std(ddof=1), rel=1e-4)


def test_vtk_files_on_demand(tmp_path):
    run("--n-particles", "6", "--no-pictures", "--vtk", "--count", "2", "--out", str(tmp_path))
    assert (tmp_path / "aggregate-0001.vtk").read_text().startswith("# vtk DataFile Version 3.0\n")
    assert len(list(tmp_path.glob("*.vtk"))) == len(list(tmp_path.glob("*.xyz"))) == 2


def test_an_aggregate_depends_on_seed_and_number_alone(tmp_path):
    run("--count", "3", "--no-pictures", "--out", str(tmp_path / "a"))
    run("--count", "2", "--no-pictures", "--out", str(tmp_path / "b"))
    run("--count", "2", "--no-pictures", "--out", str(tmp_path / "c"), "--seed", "1")
    first, second, other = ((tmp_path / x / "aggregate-0001.xyz").read_bytes() for x in "abc")
    assert first == second != other
    assert not list((tmp_path / "a").glob("*.png"))


def test_options_for_each_species(tmp_path):
    options = "--species Cu Pd Au --fractions .5 .25 .25 --median-radii-nm 3 4 5 --geometric-sds 1 1 1"
    run(*options.split(), "--n-particles", "8", "--out", str(tmp_path), "--no-pictures")
    aggregate = HeteroAggregate.from_extxyz(tmp_path / "aggregate-0000.xyz")
    assert aggregate.species_names == ("Cu", "Pd", "Au")
    assert np.bincount(aggregate.species).tolist() == [4, 2, 2]
    assert aggregate.radii.tolist() == pytest.approx([3] * 4 + [4] * 2 + [5] * 2)


RECIPE = """
[aggregate]
n_particles = 9
mean_cluster_size = 2
[[aggregate.species]]
name = "TiO2"
fraction = 0.3
radii = { law = "constant", radius_nm = 4 }
[[aggregate.species]]
name = "WO3"
fraction = "remainder"
radii = { law = "lognormal", median_nm = 5, geometric_sd = 1.2 }
"""


def test_parameters_from_a_file_and_an_option_over_it(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE)
    run("--parameters", str(path), "--n-particles", "10", "--no-pictures", "--out", str(tmp_path / "out"))
    aggregate = HeteroAggregate.from_extxyz(tmp_path / "out" / "aggregate-0000.xyz")
    assert np.bincount(aggregate.species).tolist() == [3, 7]
    assert set(aggregate.radii[:3]) == {4.0}


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["--count", "0"], "--count 0"),
        (["--seed", "-1"], "--seed -1"),
        (["--fractal-dimension", "0.5"], "fractal_dimension = 0.5"),
        (["--fractal-prefactor", "40"], "fractal_prefactor = 40 is infeasible.*nearest feasible"),
        (["--median-radii-nm", "-5", "6"], "median_nm = -5"),
        (["--fractions", "0.5", "0.6"], "sum to 1, not 1.1"),
        (["--fractions", "1"], "1 values for 2 species"),
        (["--species", "A", "B", "C"], "--fractions and --median-radii-nm"),
    ],
)
def test_wrong_values_are_one_line_and_leave_nothing(tokens, message, tmp_path):
    with pytest.raises(UserError, match=message) as caught:
        run(*tokens, "--out", str(tmp_path / "out"))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RECIPE.replace("n_particles = 9", "n_particles = [9"), "not a TOML file"),
        ("[other]\n", "a table \\[aggregate\\] is needed"),
        (RECIPE.replace("= 9", '= {law = "uniform", low = 3, high = 9}'), "aggregate.n_particles is a law"),
        (RECIPE.replace("n_particles", "n_particle"), "n_particle = 9: Extra inputs"),
    ],
)
def test_wrong_files_are_refused(text, message, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        run("--parameters", str(path), "--out", str(tmp_path / "out"))
    assert "mine.toml" in str(caught.value)


def test_drawn_spheres_have_the_colour_of_the_nearest_species(rng):
    from stochgeom.pictures import _shaded, species_colour

    aggregate = sample_aggregate(AggregateParameters(n_particles=12), rng)
    field = Field.around(aggregate, (90, 90))
    image = _shaded(aggregate, field)
    thickness = sum(_patches(aggregate, field))
    background = (image == 1).all(axis=-1)
    assert background[thickness == 0].all()
    assert not background[thickness > 1].any()
    front = np.argmin(aggregate.centres[:, 2] - aggregate.radii)
    x, y = aggregate.centres[front, :2]
    pixel = image[np.argmin(np.abs(field.y_nm - y)), np.argmin(np.abs(field.x_nm - x))]
    expected = species_colour(int(aggregate.species[front]))
    assert np.argmax(pixel) == np.argmax(expected)


def _patches(aggregate, field):
    from stochgeom import chord_lengths

    return chord_lengths(aggregate, field)


def test_drawings_fill_given_axes(rng):
    from matplotlib.figure import Figure

    from stochgeom.pictures import draw_aggregate, draw_projection

    aggregate = sample_aggregate(AggregateParameters(n_particles=5), rng)
    field = Field.around(aggregate, (64, 64))
    left, right = Figure().subplots(1, 2)
    draw_aggregate(left, aggregate, field)
    draw_projection(right, aggregate, field)
    assert right.get_images()[0].get_array().shape == (64, 64)
    assert left.get_ylim()[0] > left.get_ylim()[1]  # y points down
    for ax in (left, right):
        assert any(text.get_text().endswith(" nm") for text in ax.texts)
    assert [text.get_text().split()[0] for text in left.get_legend().get_texts()] == ["TiO2", "WO3"]
