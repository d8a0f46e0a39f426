"""`heterostem cluster` from the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

from heterostem import run
from learn.clustering.sources import Cutting, cut
from learn.micrographs.drawn import draw_micrograph
from stochgeom.errors import UserError

FAST = ["--window-px", "16", "--descriptor", "pca", "--components", "3", "--clusters", "2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("images")
    for seed in range(2):
        np.save(place / f"{seed}.npy", draw_micrograph("composite", 128, seed=seed).image)
    return place


def test_own_files_are_clustered(folder, tmp_path, capsys):
    scan = ["--scan-clusters", "2", "3", "--scan-window", "8", "16"]
    arguments = [
        "cluster",
        str(folder),
        "--out",
        str(tmp_path / "a"),
        "--pixel-size-nm",
        "0.02",
        *FAST,
        *scan,
    ]
    assert run(arguments) == 0
    assert "report:" in capsys.readouterr().out
    data = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert data["patches"]["micrographs"] == ["0.npy", "1.npy"]
    assert len(data["scan"]) == 4
    assert "columns" in data["about"]


def test_a_grid_and_several_files(folder, tmp_path):
    files = [str(folder / "0.npy"), str(folder / "1.npy")]
    options = ["--out", str(tmp_path), "--pixel-size-nm", "0.02", "--centres", "grid", "--step-px", "16"]
    assert run(["cluster", *files, *options, *FAST, "--normalise", "image"]) == 0
    data = json.loads((tmp_path / "metrics.json").read_text())
    assert data["patches"]["number"] == 2 * 64
    assert data["patches"]["dropped"] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--window-px", "500"], "no window"),
        (["--clusters", "0"], "clusters"),
        (["--scan-clusters", "0"], "scan-clusters"),
        (["--scan-window", "99"], "99"),
        (["--samples", "1"], "corpus"),
        (["--wall-tolerance-nm", "0"], "above zero"),
        (["--channel", "4"], "channel"),
        (["--components", "5000", "--descriptor", "pca"], "components"),
    ],
)
def test_bad_options_are_one_line_and_write_nothing(folder, tmp_path, capsys, options, words):
    out = tmp_path / "out"
    arguments = ["cluster", str(folder / "0.npy"), "--out", str(out), "--pixel-size-nm", "0.02"]
    assert run([*arguments, *options]) == 1
    said = capsys.readouterr().err.strip()
    assert words in said
    assert "\n" not in said
    assert not out.exists() or not list(out.iterdir())


@pytest.mark.parametrize("source", ["missing", "empty", "missing.npy"])
def test_sources_that_are_none(source, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run(["cluster", str(tmp_path / source), "--out", str(tmp_path / "out")]) == 1
    assert source.split(".")[0] in capsys.readouterr().err


def test_a_file_without_pixel_size_says_so(folder, tmp_path, capsys):
    assert run(["cluster", str(folder / "0.npy"), "--out", str(tmp_path)]) == 1
    assert "pixel size" in capsys.readouterr().err


def test_an_image_without_columns_says_so(tmp_path, capsys):
    np.save(tmp_path / "flat.npy", np.ones((64, 64), np.float32))
    words = ["cluster", str(tmp_path / "flat.npy"), "--out", str(tmp_path / "out"), "--pixel-size-nm", "0.02"]
    assert run(words) == 1
    assert "no atomic column was found" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_legends_and_bar_of_a_map_lie_within_the_figure():
    from learn.clustering import clustering_settings
    from learn.clustering.analysis import analyse_clusters
    from learn.clustering.plots import map_figure
    from learn.plots import png, styled

    patches, about = cut([draw_micrograph("film", 200, seed=1)], Cutting(window_px=16))
    settings = clustering_settings(descriptor="pca", components=3, clusters=9)
    with styled():
        figure = map_figure(analyse_clusters(patches, settings, about=about))
        png(figure)
    whole = figure.bbox
    for axes in figure.axes:
        if axes.get_legend() is not None:
            box = axes.get_legend().get_window_extent()
            assert whole.y0 <= box.y0 < box.y1 <= whole.y1


def test_columns_are_scored_where_there_is_truth():
    micrograph = draw_micrograph("film", 160, seed=0)
    patches, about = cut([micrograph], Cutting(window_px=12))
    assert "precision 1.0000, recall 1.0000" in about["columns against truth"]
    brightest, about = cut([micrograph], Cutting(window_px=12, brightest_within_nm=0.33))
    assert len(brightest) < len(patches)
    assert "columns against truth" not in about
    with pytest.raises(UserError, match="no window"):
        cut([micrograph], Cutting(window_px=999))


def test_results_do_not_go_among_the_micrographs(tmp_path, capsys):
    np.save(tmp_path / "one.npy", draw_micrograph("film", 100, seed=0).image[0])
    assert run(["cluster", str(tmp_path), "--out", str(tmp_path), "--pixel-size-nm", "0.05"]) == 1
    assert "is the source" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["one.npy"]
