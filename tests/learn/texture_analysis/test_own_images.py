import numpy as np
import pytest

pytest.importorskip("torch")

import matplotlib.pyplot as plt

from learn.texture_analysis.own_images import image_files, read_phase, textures_of_files
from stochgeom.errors import UserError


@pytest.fixture
def picture(tmp_path):
    """A picture 40 x 200 pixels, dark in every fourth column, and its phase map."""
    phase = np.zeros((40, 200), np.uint8)
    phase[:, ::4] = 1
    return phase, tmp_path


def write(phase, path):
    if path.suffix == ".npy":
        np.save(path, 200.0 - 150 * phase)
    elif path.suffix == ".png":
        plt.imsave(path, 1 - phase, cmap="gray")
    else:
        import tifffile

        tifffile.imwrite(path, (60000 - 40000 * phase.astype(int)).astype(np.uint16))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_every_kind_of_file_gives_the_same_phases(picture, suffix):
    phase, folder = picture
    path = folder / f"one{suffix}"
    write(phase, path)
    np.testing.assert_array_equal(read_phase(path), phase)
    np.testing.assert_array_equal(read_phase(path, ink="bright"), 1 - phase)


def test_grey_png_of_sixteen_bits_keeps_its_depth(picture):
    from PIL import Image

    phase, folder = picture
    path = folder / "deep.png"
    Image.fromarray((1000 + 3 * (1 - phase.astype(np.uint16))).astype(np.uint16)).save(path)
    np.testing.assert_array_equal(read_phase(path), phase)


def test_splits_share_no_pixel_and_patches_tell_their_volume_fraction(picture):
    phase, folder = picture
    marked = phase.copy()
    marked[0] = np.arange(200) < 140  # known columns: all of the first row belongs to the training part
    write(marked, folder / "one.npy")
    sets = {split: textures_of_files(folder, 16, split) for split in ("train", "validation", "test")}
    train, test = sets["train"].pictures(), sets["test"].pictures()
    assert train.shape[1:] == (16, 16)
    assert len(train) == 7 * 32  # starts 0, 4, ... in 40 rows and in 140 columns
    marked_rows = train[:, 0].all(axis=1).sum()
    assert marked_rows == 32  # the marked row, nowhere else
    assert not train[:32, 0].all(axis=1).all()  # in an order that does not follow the picture
    assert test[:, 0].mean() < 0.5
    np.testing.assert_allclose(sets["train"].volume_fraction, train.mean(axis=(1, 2)), atol=1e-6)


def test_what_cannot_be_used_is_said_in_one_line(picture):
    phase, folder = picture
    for make, words in (
        (lambda: read_phase(folder / "none.png"), "no such file"),
        (lambda: image_files(folder), "holds no picture"),
    ):
        with pytest.raises(UserError, match=words):
            make()
    (folder / "text.png").write_text("no picture")
    with pytest.raises(UserError, match="cannot be read as an image"):
        read_phase(folder / "text.png")
    np.save(folder / "flat.npy", np.ones((30, 30)))
    with pytest.raises(UserError, match="all pixels are alike"):
        read_phase(folder / "flat.npy")
    write(phase, folder / "one.npy")
    with pytest.raises(UserError, match=r"threshold 900 lies outside the greys of the picture, 50 to 200"):
        read_phase(folder / "one.npy", threshold=900)
    with pytest.raises(UserError, match="hold no patch of 64"):
        textures_of_files(folder / "one.npy", 64)
    for side in (0, -4, 15):
        with pytest.raises(UserError, match="sides of 16 or more"):
            textures_of_files(folder / "one.npy", side)
    with pytest.raises(UserError, match="accepted: train, validation, test"):
        textures_of_files(folder / "one.npy", 16, "all")


@pytest.mark.parametrize(("low", "high"), [(1e8, 1e8 + 8), (-3e38, 3e38)])
def test_greys_at_the_ends_of_their_precision(picture, low, high):
    phase, folder = picture
    np.save(folder / "one.npy", np.where(phase == 1, low, high).astype(np.float32))
    np.testing.assert_array_equal(read_phase(folder / "one.npy"), phase)


def test_the_origin_tells_how_pictures_were_cut(picture):
    phase, folder = picture
    write(phase, folder / "one.npy")
    first = textures_of_files(folder, 16).origin
    assert textures_of_files(folder, 16).origin == first
    assert textures_of_files(folder, 16, threshold=100).origin["threshold"] == 100
    changed = phase.copy()
    changed[3, 5] = 1
    write(changed, folder / "one.npy")
    assert textures_of_files(folder, 16).origin["digest"] != first["digest"]
