"""States of the page: recipes, refusals, what a page opens with."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn.explore.sources import opening_state
from learn.explore.state import (
    ClusterState,
    DescriptorState,
    ExploreState,
    PatchState,
    SourceState,
    ViewState,
)
from stochgeom.errors import UserError

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
lengths = st.none() | st.floats(1e-4, 10)
states = st.builds(
    ExploreState,
    source=st.builds(
        SourceState,
        kind=st.sampled_from(["drawn", "corpus", "image"]),
        drawn=st.sampled_from(["film", "graphene", "composite"]),
        size_px=st.integers(64, 2048),
        seed=st.integers(0, 1000),
        path=texts,
        sample=st.integers(0, 1000),
        pixel_size_nm=lengths,
        channel=st.integers(0, 10),
    ),
    patches=st.builds(
        PatchState,
        centres=st.sampled_from(["columns", "grid"]),
        window_px=st.integers(3, 256),
        sublattice_nm=lengths,
    ),
    descriptor=st.builds(DescriptorState, components=st.integers(1, 32), model=texts),
    clusters=st.builds(ClusterState, count=st.integers(1, 16), seed=st.integers(0, 99)),
    view=st.builds(ViewState, colour=texts, across=st.integers(1, 32), up=st.integers(1, 32)),
)


@settings(max_examples=40)
@given(states)
def test_a_state_survives_its_recipe(state):
    assert ExploreState.from_toml(state.toml()) == state


def test_a_recipe_is_written_and_read(tmp_path):
    state = ExploreState(clusters=ClusterState(count=7), source=SourceState(pixel_size_nm=0.015))
    state.save(tmp_path / "look.toml")
    assert opening_state(tmp_path / "look.toml") == state
    tables = tomllib.loads((tmp_path / "look.toml").read_text())
    assert tables["clusters"]["count"] == 7
    assert tables["source"]["pixel_size_nm"] == 0.015


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[clusters]\ncount = 0\n", "clusters.count = 0"),
        ("[clusters]\ncounts = 3\n", "clusters.counts"),
        ("[patches]\nnormalise = 'no'\n", "patches.normalise"),
        ("[patches\n", "is no TOML"),
    ],
)
def test_recipes_with_mistakes_are_refused_in_one_line(tmp_path, text, words):
    path = tmp_path / "look.toml"
    path.write_text(text)
    with pytest.raises(UserError) as refused:
        opening_state(path)
    assert words in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_page_opens_with_what_it_is_given(tmp_path):
    np.save(tmp_path / "image.npy", np.zeros((8, 8), np.float32))
    state = opening_state(tmp_path / "image.npy", pixel_size_nm=0.03)
    assert state.source.kind == "image"
    assert state.source.pixel_size_nm == 0.03
    assert opening_state(tmp_path).source.kind == "corpus"
    assert opening_state() == ExploreState()
    with pytest.raises(UserError, match="no such file"):
        opening_state(tmp_path / "nothing")
    with pytest.raises(UserError, match=r"pixel_size_nm = -1"):
        opening_state(None, pixel_size_nm=-1.0)
