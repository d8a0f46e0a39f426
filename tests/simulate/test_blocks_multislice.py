"""Blocks of a multislice image: together they are the image, bit by bit, whatever tiles they cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.random import SeedSequence

from simulate.engines import multislice
from simulate.engines.base import Block, BlockEngine, BlockResult, make_engine, put_together, square_blocks
from simulate.engines.cells import filled_slices
from simulate.material import Material
from simulate.microscope import Detector, Microscope
from simulate.recipe_settings import MultisliceSettings
from simulate.scene import AggregateScene
from stochgeom.aggregate import HeteroAggregate
from stochgeom.projection import Field

ANNULUS = Microscope(detectors=(Detector(inner_mrad=30, outer_mrad=60),))
SETTINGS = MultisliceSettings(sampling_angstrom=0.1, margin_angstrom=3, tail="none", tile_pixels=4)


def make_scene(shape=(7, 9), centres=((-0.5, 0, 0), (0.4, 0.2, 0.6))) -> AggregateScene:
    n = len(centres)
    q = np.random.default_rng(5).normal(size=(n, 4))
    aggregate = HeteroAggregate(
        centres=np.asarray(centres, float), radii=np.full(n, 0.4), species=np.zeros(n), cluster=np.arange(n),
        orientations=q / np.linalg.norm(q, axis=1, keepdims=True), phase=np.zeros(n),
        species_names=("WO3",), phase_names=("gamma-WO3",),
    )  # fmt: skip
    seeds = (SeedSequence(1, spawn_key=(0, stage)) for stage in (2, 3))
    return AggregateScene(aggregate, (Material.named("gamma-WO3"),), Field(shape, 0.25), *seeds)


def engine_with(**changes) -> BlockEngine:
    engine = make_engine(SETTINGS.model_copy(update=changes))
    assert isinstance(engine, BlockEngine)
    return engine


def from_blocks(engine, scene) -> BlockResult:
    blocks = engine.blocks(scene, ANNULUS)
    # Made in another order than they are put together, and by engines that know no other block.
    made = {
        block: make_engine(engine.settings).block_result(scene, ANNULUS, block) for block in reversed(blocks)
    }
    return put_together(scene.field.shape, [(block, made[block]) for block in blocks])


@pytest.mark.parametrize(
    ("shape", "changes"),
    [
        ((7, 9), {"block_pixels": 4}),
        ((7, 9), {"block_pixels": 5}),
        ((7, 9), {"block_pixels": 3, "tile_pixels": None, "phonon_configurations": 2}),
        ((2, 4), {"block_pixels": 3, "method": "prism", "margin_angstrom": 2}),
    ],
)
def test_blocks_together_are_the_image_bit_by_bit(shape, changes, monkeypatch):
    """With several probes in a batch and several batches in a tile."""
    monkeypatch.setattr(multislice, "_BATCH_BYTES", 8 * 6.0 * 200**2)
    scene, engine = make_scene(shape), engine_with(**changes)
    assert len(engine.blocks(scene, ANNULUS)) >= 2
    together = from_blocks(engine, scene)
    whole = engine.block_result(scene, ANNULUS, Block(0, shape[0], 0, shape[1]))
    assert together.intensity.tobytes() == engine.image(scene, ANNULUS).tobytes()
    assert together.intensity.max() > 0
    for ours, theirs in zip(together.layers, whole.layers, strict=True):
        assert ours.tobytes() == theirs.tobytes()


def test_the_standard_error_is_that_of_the_mean_over_configurations():
    scene, whole = make_scene((2, 3)), Block(0, 2, 0, 3)
    result = engine_with(phonon_configurations=3).block_result(scene, ANNULUS, whole)
    each = []
    for configuration in range(3):
        engine = engine_with()
        cell = engine._cell
        engine._cell = lambda *a, cell=cell, c=configuration: cell(*a[:4], c, *a[5:])
        each.append(engine.image(scene, ANNULUS))
    np.testing.assert_allclose(result.intensity, np.mean(each, axis=0), rtol=1e-6)
    assert result.standard_error is not None
    np.testing.assert_allclose(
        result.standard_error, np.std(each, axis=0, ddof=1) / np.sqrt(3), rtol=1e-4, atol=1e-9
    )
    assert engine_with().block_result(scene, ANNULUS, whole).standard_error is None


def test_work_is_zero_where_nothing_is_computed_and_grows_with_the_material():
    scene = make_scene((4, 40), centres=((-4.0, 0, 0), (4.0, 0, 0), (4.0, 0, 1.5)))
    engine = engine_with(block_pixels=8)
    blocks = engine.blocks(scene, ANNULUS)
    work = [engine.block_work(scene, ANNULUS, block) for block in blocks]
    assert work[2] == 0
    assert np.count_nonzero(engine.block_result(scene, ANNULUS, blocks[2]).intensity) == 0
    assert work[4] > 1.5 * work[0] > 0
    twice = engine_with(block_pixels=8, phonon_configurations=2)
    assert twice.block_work(scene, ANNULUS, blocks[0]) == 2 * work[0]


def test_default_blocks_are_equal_and_of_whole_tiles():
    def sides(shape, **changes):
        scene = make_scene(shape)
        return {block.shape for block in engine_with(**changes).blocks(scene, ANNULUS)}

    assert sides((20, 24), tile_pixels=None) == {(20, 24)}
    assert sides((40, 40), tile_pixels=None) == {(20, 20)}
    assert sides((48, 48), tile_pixels=12) == {(24, 24)}
    assert sides((100, 100), tile_pixels=64) == {(64, 64), (64, 36), (36, 64), (36, 36)}
    assert sides((30, 30), block_pixels=30) == {(30, 30)}


def test_blocks_cover_the_field_in_row_order():
    blocks = square_blocks((5, 7), 3)
    assert [(b.y0, b.x0) for b in blocks] == [(0, 0), (0, 3), (0, 6), (3, 0), (3, 3), (3, 6)]
    parts = [(b, BlockResult(np.full((2, *b.shape), k, np.float32))) for k, b in enumerate(blocks)]
    image = put_together((5, 7), parts).intensity
    assert image.shape == (2, 5, 7)
    assert image[0, :, 0].tolist() == [0, 0, 0, 3, 3]
    assert np.bincount(image.ravel().astype(int)).tolist() == [18, 18, 6, 12, 12, 4]


def test_slices_of_material_are_counted_without_the_gaps():
    scene = make_scene(centres=((0, 0, 0), (0, 0, 0.2), (0, 0, 10)))
    alone, all_three = (filled_slices(scene, np.array(k), 2.0) for k in ([0], [0, 1, 2]))
    assert 4 <= alone <= 6
    assert 2 * alone <= all_three <= 2 * alone + 4


def test_memory_grows_with_the_cells():
    scene = make_scene()
    needs = [engine_with(margin_angstrom=m, method="prism").memory_bytes(scene, ANNULUS) for m in (3, 10, 30)]
    assert all(b > a for a, b in pairwise(needs))
    assert 1e7 < needs[0] < 1e9
