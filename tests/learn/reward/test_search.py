"""The reward, the search, its files and its verdict."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from heterostem import run
from learn.micrographs.drawn import draw_micrograph
from learn.patch_analysis.cutting import PatchCutting
from learn.reward import SearchSettings, run_search
from learn.reward.outputs import write_search
from learn.reward.reward import reward
from learn.reward.rows import Row, rows_csv, rows_markdown
from learn.reward.search import same_centres
from learn.reward.verdict import verdicts
from stochgeom.errors import UserError

CUTTING = PatchCutting(centres="grid", step_nm=0.3)
QUICK = SearchSettings(
    windows_nm=(0.6, 0.9), latent_sizes=(1, 3), clusters=(2, 3), embedding="pca", cutting=CUTTING
)


def two_clouds(n=300, distance=6.0, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n, 2))
    values[: n // 2, 0] += distance
    return values


@given(st.floats(0.01, 100), st.floats(0, 360), st.floats(-5, 5))
@settings(max_examples=10)
def test_the_reward_does_not_depend_on_scale_turn_or_place(scale, turn, place):
    values = two_clouds()
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    moved = values @ np.array([[c, -s], [s, c]]) * [scale, 1] + place
    # Regularisation of the standardized variances, and where the fit stops, leave a few thousandths.
    assert reward(moved, 2).value == pytest.approx(reward(values, 2).value, abs=0.02)


def test_the_reward_is_that_of_two_clouds():
    """Two clouds far apart: the mixture's density is half of each, so ln 2 of a patch's nats go to the
    choice, and one Gaussian, fitted to both, has the variance 1 + d^2 / 4 along their line.
    """
    n, distance = 4000, 10.0
    found = reward(two_clouds(n, distance), 2)
    gain = 0.5 * np.log(1 + distance**2 / 4) - np.log(2)
    more_parameters = 11 - 5
    # The log-likelihood of n normal numbers in two dimensions has a standard error of 1 / sqrt(n).
    expected = (gain - more_parameters * np.log(n) / (2 * n)) / 2
    assert found.value == pytest.approx(expected, abs=3 / np.sqrt(n))


def test_features_that_show_nothing_take_away_and_noise_has_no_reward():
    rng = np.random.default_rng(1)
    values = two_clouds()
    noise = rng.standard_normal((300, 2))
    assert reward(np.hstack([values, noise]), 2).value < 0.7 * reward(values, 2).value
    assert reward(noise, 2).value < 0
    assert reward(values, 2).value > max(reward(values, 1).value, reward(values, 4).value)
    assert reward(values, 1).value == pytest.approx(0, abs=1e-12)
    assert reward(values, 2, "bic").value >= reward(values, 2, "icl").value


@pytest.fixture(scope="module")
def micrographs():
    return [draw_micrograph("composite", size_px=90, pixel_size_nm=0.05, seed=3)]


@pytest.fixture(scope="module")
def found(micrographs):
    return run_search(micrographs, QUICK)


def test_windows_share_their_centres(micrographs):
    sets = same_centres(micrographs, QUICK)
    assert [one.window for one in sets.values()] == [(12, 12), (18, 18)]
    first, second = sets.values()
    assert np.array_equal(first.centres_px, second.centres_px)


def test_every_combination_has_a_row(found):
    assert len(found) == 2 * 2 * 2
    assert [(row.window_nm, row.latent_size, row.clusters) for row in found[:3]] == [
        (0.6, 1, 2), (0.6, 1, 3), (0.6, 3, 2),
    ]  # fmt: skip
    assert len({row.patches for row in found}) == 1
    by_size = {row.latent_size: row.unexplained for row in found if row.window_nm == 0.6}
    assert 0 < by_size[3] < by_size[1] < 1
    assert max(row.scores["ari_phase"] for row in found) > 0.7
    assert all(0 <= row.scores["wall_f1"] <= 1 for row in found)


def test_a_search_goes_on_where_it_stopped(micrographs, found, tmp_path):
    lines = []
    run_search(micrographs, QUICK, tmp_path, tell=lines.append)
    assert len(lines) == 4
    path = tmp_path / "rows.jsonl"
    kept = path.read_text().splitlines(keepends=True)
    path.write_text("".join(kept[:4]) + kept[4][:30])  # one trial, half of the next, half a line
    again = []
    rows = run_search(micrographs, QUICK, tmp_path, tell=again.append)
    assert len(again) == 3
    same = {"seconds": 0.0}
    assert [row.model_copy(update=same) for row in rows] == [row.model_copy(update=same) for row in found]
    with pytest.raises(UserError, match="rows of another search"):
        run_search(micrographs, QUICK.model_copy(update={"seed": 1}), tmp_path)
    path.write_text("nothing")
    with pytest.raises(UserError, match="cannot be read"):
        run_search(micrographs, QUICK, tmp_path)


def row(value, score, **more):
    known = {"window_nm": 1.0, "latent_size": 2, "invariances": "none", "features": "latents", "clusters": 2}
    about = {"patches": 9, "icl_per_patch": 0.0, "bic_per_patch": 0.0, "unexplained": 0.1, "seconds": 1.0}
    return Row(**{**known, **about, "reward": value, "scores": {"ari_phase": score}, **more})


def test_verdicts_tell_a_reward_that_agrees_from_one_that_does_not():
    values = np.linspace(0, 1, 12)
    (agrees,) = verdicts([row(value, value**2) for value in values])
    assert agrees.rank_correlation == pytest.approx(1)
    assert agrees.p_value < 0.01
    assert (agrees.chosen, agrees.best, agrees.better_than) == (1, 1, 1)
    (against,) = verdicts([row(value, -value) for value in values])
    assert against.rank_correlation == pytest.approx(-1)
    assert against.p_value > 0.99
    assert against.better_than == 0
    assert verdicts([row(1, 0.5), row(2, 0.5), row(3, 0.5)]) == []
    assert verdicts([row(1, 0.5), row(2, 0.6)]) == []


def test_what_a_search_leaves(found, tmp_path):
    paths = write_search(found, tmp_path / "out")
    assert [path.name for path in paths] == ["search.csv", "search.md", "search.png", "search.json"]
    table = list(csv.DictReader(paths[0].open()))
    rewards = [float(line["reward"]) for line in table]
    assert rewards == sorted(rewards, reverse=True)
    assert {"ari_phase", "wall_f1"} <= set(table[0])
    summary = json.loads(paths[3].read_text())
    assert summary["chosen"]["reward"] == rewards[0]
    assert "rank correlation" in paths[1].read_text()
    assert rows_markdown(found, 2).count("\n") == 4
    assert rows_csv(found).count("\n") == len(found) + 1


def test_the_command_with_autoencoders(micrographs, tmp_path, capsys):
    np.save(tmp_path / "own.npy", micrographs[0].image[0])
    words = (
        "--pixel-size-nm 0.05 --window-nm 0.5 --latent-size 2 --invariance rotation --clusters 2 --clusters 3"
    )
    more = ["--features", "latents", "--features", "angle", "--epochs", "1", "--width", "8", "--threads", "1"]
    out = tmp_path / "out"
    assert run(["search", str(tmp_path / "own.npy"), "--out", str(out), *words.split(), *more]) == 0
    table = list(csv.DictReader((out / "search.csv").open()))
    assert {line["features"] for line in table} == {"latents", "angle"}
    assert len(table) == 4
    capsys.readouterr()
    bad = ["search", str(tmp_path / "own.npy"), "--out", str(out), "--invariance", "mirror"]
    assert run(bad) == 1
    assert "rotation, translation, scale joined by +" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [{"windows_nm": (0,)}, {"latent_sizes": (0,)}, {"invariances": ("rotation+rotation",)}, {"x": 1}],
)
def test_settings_refuse_what_cannot_be(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        SearchSettings(**change)
