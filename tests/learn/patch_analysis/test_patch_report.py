"""Groups, analyses and reports of a model whose answers are known, on a micrograph of dumbbells."""

import csv
import json
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

pytest.importorskip("torch")

from learn.micrographs import Micrograph, PatchSet
from learn.patch_analysis import report as report_module
from learn.patch_analysis.analysis import analyse_patches, chosen_groups
from learn.patch_analysis.angle_calibration import AngleCalibration
from learn.patch_analysis.angles import fitted_calibrations, lattice_period, true_directions
from learn.patch_analysis.latent_groups import gaussian_groups, latent_features, standardized
from learn.patch_analysis.report import write_patch_report
from learn.patch_analysis.tables import columns, latents_csv
from simulate.corpus.scene_truth import SceneTruth
from stochgeom.errors import UserError

from .dumbbells import SIDE, DumbbellModel, dumbbells

PIXEL = 0.02
ACROSS = 10


def dumbbell_micrograph(seed, name):
    """10 x 10 dumbbells, the left half (phase 0) short, the right half (phase 1) long; two grains of other
    direction, above and below.
    """
    rng = np.random.default_rng(seed)
    row, column = np.divmod(np.arange(ACROSS**2), ACROSS)
    phase, domain = (column >= ACROSS // 2).astype(int), (row >= ACROSS // 2).astype(int)
    angle = np.where(domain == 0, 10.0, 55.0) + 4 * rng.uniform(-1, 1, ACROSS**2)
    patches = dumbbells(3.2 + 1.6 * phase, rng.uniform(1.4, 1.6, ACROSS**2), angle)
    image = patches[:, 0].reshape(ACROSS, ACROSS, SIDE, SIDE).swapaxes(1, 2).reshape(ACROSS * SIDE, -1)
    centres = np.stack([row, column], axis=1) * SIDE + (SIDE - 1) / 2
    nm = (centres[:, ::-1] - (ACROSS * SIDE - 1) / 2) * PIXEL
    zero = np.zeros(ACROSS**2)
    # A truth with a zero and a sense of its own: what a calibration has to find.
    turned = (20 - angle) % 90
    columns = np.column_stack([*nm.T, zero, phase, domain, turned, zero + np.nan, zero + np.nan, zero, zero])
    y, x = np.mgrid[: ACROSS * SIDE, : ACROSS * SIDE] >= ACROSS * SIDE / 2
    half = ACROSS * SIDE * PIXEL / 2
    truth = SceneTruth(
        x.astype(np.uint8),
        y.astype(np.uint8),
        columns,
        np.array([[0, -half, 0, half, 0], [-half, 0, half, 0, 2.0]]),
        ("pair",),
        ("short", "long"),
        ("upper", "lower"),
    )
    return Micrograph(image, PIXEL, name, truth), centres, patches


@pytest.fixture(scope="module")
def patch_set():
    parts = [dumbbell_micrograph(seed, f"pairs {seed}") for seed in (0, 1)]
    return PatchSet(
        np.concatenate([part[2] for part in parts]),
        np.concatenate([part[1] for part in parts]),
        np.repeat([0, 1], ACROSS**2),
        tuple(part[0] for part in parts),
    )


@pytest.fixture(scope="module")
def analysis(patch_set):
    return analyse_patches(DumbbellModel(classes=2), patch_set, "pairs", fold=2)


def scores_of(analysis, features):
    grouping = next(one for one in analysis.groupings if one.features == features)
    return {score.kind: score for score in grouping.scores}


def test_criteria_are_those_of_the_library():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, (150, 3)), rng.normal(4, 1, (100, 3))])
    found = gaussian_groups(values, 2)
    reference = GaussianMixture(2, random_state=0, n_init=2, reg_covar=1e-4).fit(standardized(values))
    assert found.bic == pytest.approx(reference.bic(standardized(values)), rel=1e-6)
    assert found.bic_per_patch == pytest.approx(found.bic / 250)
    assert found.icl >= found.bic
    assert (found.labels == 0).sum() == pytest.approx(150, abs=3)  # the larger group comes first
    assert gaussian_groups(values, 1).icl == pytest.approx(gaussian_groups(values, 1).bic)
    assert chosen_groups(values).count == 2


def test_features_without_spread_are_left_out():
    values = np.column_stack([np.arange(9.0), np.full(9, 1e8)])
    assert standardized(values).shape == (9, 1)
    for bad, said in ((np.ones((9, 2)), "nothing to group"), (values * np.nan, "finite")):
        with pytest.raises(UserError, match=said):
            standardized(bad)
    with pytest.raises(UserError, match="fewer than patches"):
        gaussian_groups(values, 9)


def test_angles_are_features_modulo_their_fold(analysis):
    found = latent_features(analysis.encoding, fold=2)
    assert found["latents and angle"].shape[1] == 4
    assert found["angle"] ** 2 @ [1, 1] == pytest.approx(1)
    again = DumbbellModel().encode(analysis.patch_set.patches)
    again.angle_degrees = again.angle_degrees + 180
    assert latent_features(again, 2)["angle"] == pytest.approx(found["angle"], abs=1e-9)


def test_groups_find_what_each_feature_tells(analysis):
    assert scores_of(analysis, "latents")["phase"].adjusted_rand > 0.95
    assert scores_of(analysis, "angle")["phase"].adjusted_rand < 0.1
    both = scores_of(analysis, "latents and angle")["region"]
    assert both.regions == 4
    assert both.adjusted_rand > 0.95
    assert both.walls.f1 > 0.9
    assert both.walls.found_length_nm == pytest.approx(both.walls.true_length_nm, rel=0.1)
    assert [one.features for one in analysis.baselines] == ["patches"]


def test_the_angle_is_calibrated_on_the_other_micrograph(analysis, patch_set):
    (found,) = analysis.angles
    assert found.quantity == "rotation"
    assert found.elsewhere
    assert found.calibration.sense == -1
    assert found.calibration.offset_degrees == pytest.approx(20, abs=1)
    # Moments of pixels give angles to a tenth of a degree.
    assert found.score.median_degrees < 0.3
    assert found.score.within_2_degrees > 0.95
    assert found.inside.patches < found.score.patches
    alone = patch_set.part(patch_set.source == 0)
    alone = PatchSet(alone.patches, alone.centres_px, alone.source, patch_set.micrographs[:1])
    assert not analyse_patches(DumbbellModel(), alone).angles[0].elsewhere
    wrong = AngleCalibration.fit(np.arange(30.0), np.arange(30.0) + 30, 90, "rotation", "wrong")
    given = analyse_patches(DumbbellModel(), alone, calibrations=[wrong]).angles[0]
    assert given.elsewhere
    assert given.calibration == wrong
    assert given.score.median_degrees > 10
    fitted = fitted_calibrations(DumbbellModel().encode(patch_set.patches), patch_set)
    assert [one.quantity for one in fitted] == ["rotation"]


def test_directions_that_do_not_vary_are_not_asked_for(analysis, patch_set):
    truth = analysis.truth
    assert set(true_directions(patch_set, truth)) == {"rotation"}
    assert lattice_period(patch_set, truth) == 90
    same = type(truth)(**{**vars(truth), "rotation_degrees": truth.rotation_degrees * 0 + 5})
    assert true_directions(patch_set, same) == {}
    model = DumbbellModel()
    model.encode = lambda patches, **told: type(analysis.encoding)(
        analysis.encoding.mean, analysis.encoding.sd
    )
    with pytest.raises(UserError, match="has no angle"):
        fitted_calibrations(model.encode(patch_set.patches), patch_set)


def test_polarizations_have_the_direction_of_their_vector(patch_set, analysis):
    pm = np.zeros((len(patch_set), 2))
    pm[:100] = [0, 20]
    pm[100:150] = [-20, 0]
    truth = type(analysis.truth)(**{**vars(analysis.truth), "polarization_pm": pm})
    ways, period = true_directions(patch_set, truth)["polarization"]
    assert period == 360
    assert np.all(ways[:100] == 90)
    assert np.all(ways[100:150] == 180)
    assert np.isnan(ways[150:]).all()


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.sources, self.text = [], set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids.add(found.get("id"))
        self.links += [found["href"]] if "href" in found else []
        self.sources += [found["src"]] if "src" in found else []

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.slow
def test_a_report_is_whole_and_needs_no_network(analysis, patch_set, tmp_path):
    other = analyse_patches(DumbbellModel(shifts=True), patch_set, "moved", baselines=False, groups=3)
    path = write_patch_report([analysis, other], tmp_path / "out")
    page = Page(path.read_text())
    assert all(link[1:] in page.ids for link in page.links)
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    names = {one.stem for one in (path.parent / "pictures").iterdir()}
    assert {"maps-0", "maps-1", "truth-0", "manifold-0", "manifold-1", "moved-manifold"} < names
    assert {"distributions", "traversals", "reconstructions", "angle-rotation", "history"} < names
    assert len(page.sources) == len(names)
    text = "".join(page.text)
    assert "its angle gives the rotation of the lattice" in text
    assert "fitted on other micrographs" in text
    data = json.loads((path.parent / "metrics.json").read_text())
    assert [one["name"] for one in data["models"]] == ["pairs", "moved"]
    assert data["models"][0]["unexplained_mean"] < 0.02
    assert data["models"][0]["angles"][0]["fitted_elsewhere"] is True
    assert data["models"][1]["groupings"][0]["groups"] == 3
    assert AngleCalibration.load(path.parent / "angle-rotation.json").sense == -1
    table = list(csv.DictReader((path.parent / "latents.csv").open()))
    assert len(table) == len(patch_set)
    arrays = np.load(path.parent / "latents.npz")
    assert arrays["class_probabilities"].shape == (len(patch_set), 2)
    assert float(table[7]["z1"]) == pytest.approx(arrays["z1"][7], rel=1e-5)
    assert (path.parent / "moved-latents.csv").exists()


def test_tables_leave_empty_what_is_not_known(analysis):
    rows = list(csv.DictReader(latents_csv(analysis).splitlines()))
    assert rows[0]["true_polarization_x_pm"] == ""
    assert rows[0]["true_phase"] == "0"
    assert {len(values) for values in columns(analysis).values()} == {len(analysis.patch_set)}


def test_patches_without_truth_are_reported_without_scores(patch_set, tmp_path):
    bare = PatchSet(
        patch_set.patches,
        patch_set.centres_px,
        patch_set.source,
        tuple(Micrograph(one.image, PIXEL, one.name) for one in patch_set.micrographs),
    )
    found = analyse_patches(DumbbellModel(history=[]), bare, "bare")
    path = write_patch_report([found], tmp_path)
    text = "".join(Page(path.read_text()).text)
    assert "nothing is known" in text or "truth of 0 of them" in text
    assert "Groups against the truth" not in text
    assert found.angles == ()
    assert "Training" not in text


def test_what_cannot_be_reported_is_refused(analysis, patch_set, tmp_path, monkeypatch):
    monkeypatch.setattr(report_module, "pictures", lambda one: {})
    with pytest.raises(UserError, match="named apart"):
        write_patch_report([analysis, analysis], tmp_path)
    with pytest.raises(UserError, match="named nothing"):
        write_patch_report([], tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_patch_report([analysis], tmp_path / "file" / "out")
    with pytest.raises(UserError, match=r"trained on windows of \(9, 9\)"):
        analyse_patches(DumbbellModel(window=(9, 9)), patch_set)
    with pytest.raises(UserError, match="2 patches"):
        analyse_patches(DumbbellModel(), patch_set.part(slice(0, 2)))
