"""Reports on clusters: what the files hold is what was found; the page needs nothing else."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

from learn.clustering import clustering_settings
from learn.clustering.analysis import ScanPlan, analyse_clusters
from learn.clustering.report import write_cluster_report
from learn.clustering.saving import save_clusters
from learn.micrographs.micrograph import Micrograph
from learn.micrographs.windows import cut_patches, grid_centres
from stochgeom.errors import UserError


@pytest.fixture(scope="module")
def analysis(composite_patches):
    options = clustering_settings(descriptor="pca", components=3, clusters=3)
    return analyse_clusters(composite_patches, options, ScanPlan((2, 3), ("full", "tied"), (12, 16)))


@pytest.fixture(scope="module")
def written(analysis, tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "new" / "folder"
    assert write_cluster_report(analysis, out) == out / "report.html"
    return out


def test_the_page_is_whole_and_offline(written, analysis):
    page = (written / "report.html").read_text()
    assert page.rstrip().endswith("</html>")
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert page.count("data:image/png") == 5
    for words in ("Against truth", "LSMO", "Biernacki", "ICL prefers"):
        assert words in page


def test_metrics_hold_what_was_found(written, analysis):
    data = json.loads((written / "metrics.json").read_text())
    found = analysis.clustering
    assert data["criteria"]["icl"] == found.icl
    assert [one["patches"] for one in data["clusters"]] == np.bincount(found.labels).tolist()
    assert data["scores"]["wall_f1"] == analysis.scores["wall_f1"]
    assert data["control"]["ari_region"] == 1
    assert abs(data["chance"]["ari_region"]) < 0.1
    assert data["chance"]["wall_f1"] < data["scores"]["wall_f1"]
    assert len(data["scan"]) == 8
    assert np.array(data["crosstab"]["patches"]).sum() == len(found.labels)
    assert data["settings"]["components"] == 3


def test_the_table_and_the_arrays_have_a_line_for_each_patch(written, analysis):
    rows = list(csv.DictReader((written / "clusters.csv").open()))
    with np.load(written / "clusters.npz") as arrays:
        assert (arrays["labels"] == analysis.clustering.labels).all()
        assert arrays["components"].shape == (3, 1, 16, 16)
        assert arrays["centres_px"] == pytest.approx(analysis.patch_set.centres_px)
        assert [int(row["cluster"]) - 1 for row in rows] == arrays["labels"].tolist()
    assert {row["true_phase"] for row in rows} == {"0", "1"}
    assert float(rows[0]["y_px"]) == pytest.approx(analysis.patch_set.centres_px[0, 0], abs=1e-3)


def test_pictures_are_there_and_nothing_half_written(written):
    names = sorted(path.name for path in written.iterdir())
    pictures = ["components.png", "map-1.png", "means.png", "scan.png", "scatter.png"]
    assert names == sorted(["clusters.csv", "clusters.npz", "metrics.json", "report.html", *pictures])


def test_without_truth_of_several_images_and_raw_pixels(tmp_path):
    rng = np.random.default_rng(0)
    images = [Micrograph(rng.random((2, 40, 60)), 0.02, f"<b>{k}") for k in range(2)]
    patches = cut_patches(images, [grid_centres(one.shape, 8) for one in images], 8)
    found = analyse_clusters(patches, clustering_settings(clusters=2, covariance="spherical"))
    page = write_cluster_report(found, tmp_path).read_text()
    assert "Against truth" not in page
    assert "&lt;b&gt;1" in page
    assert "<b>1" not in page
    data = json.loads((tmp_path / "metrics.json").read_text())
    assert data["scores"] is None
    assert (tmp_path / "map-2.png").exists()
    assert "descriptors" not in np.load(tmp_path / "clusters.npz")


def test_a_place_that_cannot_be_written_is_one_line(analysis, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        save_clusters(analysis, tmp_path / "file" / "below", {})
