"""Micrographs from files and corpora."""

from __future__ import annotations

import numpy as np
import pytest

from learn.micrographs.reading import corpus_micrographs, read_micrograph
from stochgeom.errors import UserError

RNG = np.random.default_rng(0)


def test_png_of_any_depth(tmp_path):
    image = pytest.importorskip("PIL.Image")
    grey = RNG.integers(0, 256, (20, 30)).astype(np.uint8)
    image.fromarray(grey).save(tmp_path / "a.png")
    image.fromarray(grey.astype(np.uint16) * 200).save(tmp_path / "b.png")
    assert (read_micrograph(tmp_path / "a.png", 0.02).image[0] == grey).all()
    found = read_micrograph(tmp_path / "b.png", 0.02)
    assert (found.image[0] == grey.astype(float) * 200).all()
    assert (found.pixel_size_nm, found.name) == (0.02, "b.png")


def test_tiff_with_and_without_its_pixel_size(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    pixels = RNG.random((2, 24, 20)).astype(np.float32)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, imagej=True, resolution=(50, 50), metadata={"unit": "nm", "axes": "CYX"})
    found = read_micrograph(path)
    assert found.pixel_size_nm == pytest.approx(0.02)
    assert (found.image == pixels).all()
    assert read_micrograph(path, 0.03).pixel_size_nm == 0.03


def test_npy_needs_a_pixel_size(tmp_path):
    np.save(tmp_path / "a.npy", RNG.random((16, 16)))
    assert read_micrograph(tmp_path / "a.npy", 0.01).shape == (16, 16)
    with pytest.raises(UserError, match="pixel size"):
        read_micrograph(tmp_path / "a.npy")


def test_emd_with_its_pixel_size(tmp_path):
    pytest.importorskip("rsciio")
    h5py = pytest.importorskip("h5py")
    pixels = RNG.random((16, 18)).astype(np.float32)
    with h5py.File(tmp_path / "a.emd", "w") as file:
        file.attrs["version_major"], file.attrs["version_minor"] = 0, 2
        group = file.create_group("data/image")
        group.attrs["emd_group_type"] = 1
        group.create_dataset("data", data=pixels)
        for k, length in enumerate(pixels.shape, 1):
            axis = group.create_dataset(f"dim{k}", data=0.02 * np.arange(length))
            axis.attrs["name"], axis.attrs["units"] = "yx"[k - 1], "[n_m]"
    found = read_micrograph(tmp_path / "a.emd")
    assert found.pixel_size_nm == pytest.approx(0.02)
    assert found.image.shape in ((1, 16, 18), (1, 18, 16))
    assert found.image.sum() == pytest.approx(pixels.sum(), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xyz", b"", "unknown kind"),
        ("a.png", b"nonsense", "cannot be read"),
        ("a.tif", b"nonsense", "cannot be read"),
        ("a.tif", b"II*\0garbage", "holds no image"),
        ("missing.png", None, "no such file"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words) as error:
        read_micrograph(tmp_path / name, 0.02)
    assert "\n" not in str(error.value)


def test_a_file_with_nan_is_refused(tmp_path):
    pixels = np.zeros((16, 16))
    pixels[3, 4] = np.nan
    np.save(tmp_path / "a.npy", pixels)
    with pytest.raises(UserError, match="not finite"):
        read_micrograph(tmp_path / "a.npy", 0.02)


def test_scenes_of_a_corpus_come_with_their_truth(finished_scenes):
    from simulate.corpus.reader import Corpus

    corpus = Corpus.open(finished_scenes)
    found = corpus_micrographs(finished_scenes)
    assert [one.shape for one in found] == [(16, 20)] * 3
    for index, one in enumerate(found):
        assert (one.image == corpus.noisy(index)).all()
        assert (one.truth.phase == corpus.scene_truth(index).phase).all()
        assert one.pixel_size_nm == pytest.approx(corpus.pixel_size[index])
        assert len(one.truth.columns) > 5
    clean = corpus_micrographs(corpus, [1], realism="clean")[0]
    assert (clean.image == corpus.clean(1)).all()
    assert (clean.image != found[1].image).any()
    with pytest.raises(UserError, match="0 to 2"):
        corpus_micrographs(corpus, [3])


def test_no_corpus_is_said_so(tmp_path):
    with pytest.raises(UserError, match="no corpus"):
        corpus_micrographs(tmp_path / "nothing")
