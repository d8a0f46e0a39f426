import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learn.images import MicroscopeImage, read_image, resampled
from stochgeom.errors import UserError

tifffile = pytest.importorskip("tifffile")
PIXELS = np.random.default_rng(0).random((24, 40), dtype=np.float32)


def test_npy_images_and_channels(tmp_path):
    np.save(tmp_path / "one.npy", PIXELS)
    np.save(tmp_path / "two.npy", np.stack([PIXELS, 2 * PIXELS]))
    one = read_image(tmp_path / "one.npy", pixel_size_nm=0.7)
    assert np.array_equal(one.pixels, PIXELS[None])
    assert one.pixel_size_nm == 0.7
    assert read_image(tmp_path / "two.npy").pixels.shape == (2, 24, 40)
    assert read_image(tmp_path / "two.npy").pixel_size_nm is None


@pytest.mark.parametrize(
    ("unit", "per_unit", "nm"),
    [("nm", 2.0, 0.5), ("\\u00B5m", 1250.0, 0.8), ("um", 4000.0, 0.25), ("pixel", 2.0, None)],
)
def test_imagej_tiff_units(tmp_path, unit, per_unit, nm):
    path = tmp_path / "a.tif"
    metadata = {"unit": unit}
    tifffile.imwrite(path, PIXELS, imagej=True, resolution=(per_unit, per_unit), metadata=metadata)
    assert read_image(path).pixel_size_nm == (None if nm is None else pytest.approx(nm, rel=1e-6))


def test_ome_tiff_pixel_size(tmp_path):
    path = tmp_path / "a.ome.tif"
    metadata = {
        "axes": "YX",
        "PhysicalSizeX": 0.9,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 9.0,
        "PhysicalSizeYUnit": "Å",
    }
    tifffile.imwrite(path, PIXELS, metadata=metadata)
    assert read_image(path).pixel_size_nm == pytest.approx(0.9)


def test_baseline_resolution_counts_only_if_it_is_a_microscopes(tmp_path):
    fine, printed = tmp_path / "fine.tif", tmp_path / "printed.tif"
    tifffile.imwrite(fine, PIXELS, resolution=(2e7, 2e7), resolutionunit="CENTIMETER", metadata=None)
    tifffile.imwrite(printed, PIXELS, resolution=(72, 72), resolutionunit="INCH", metadata=None)
    assert read_image(fine).pixel_size_nm == pytest.approx(0.5)
    assert read_image(printed).pixel_size_nm is None


def test_oblong_pixels_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, imagej=True, resolution=(2, 3), metadata={"unit": "nm"})
    with pytest.raises(UserError, match="square pixels"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (np.where(PIXELS > 0.9, np.nan, PIXELS), "not finite"),
        (np.full((24, 24), 1e300), "not finite"),
        (np.zeros((2, 3, 24, 24)), "shape"),
        (np.zeros(24), "shape"),
        (np.zeros((24, 4)), "shape"),
        (PIXELS.astype(complex), "real numbers"),
        (np.full((24, 24), "x"), "real numbers"),
    ],
)
def test_bad_arrays_are_refused(tmp_path, data, text):
    np.save(tmp_path / "a.npy", data)
    with pytest.raises(UserError, match=text):
        read_image(tmp_path / "a.npy", 0.5)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_in_an_npy_file_is_refused_and_not_executed(tmp_path):
    trap = tmp_path / "executed"
    np.save(tmp_path / "a.npy", np.array([Malicious(trap)], dtype=object), allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Malicious(trap)))
    for name in ("a.npy", "b.npy"):
        with pytest.raises(UserError, match="cannot be read"):
            read_image(tmp_path / name, 0.5)
    assert not trap.exists()


@pytest.mark.parametrize("name", ["a.png", "a.npz", "a"])
def test_unknown_kinds_name_the_known_ones(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match=r"accepted: \.tif"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".dm3", ".dm4", ".emd", ".mrc"])
def test_damaged_and_missing_files_are_one_line(tmp_path, suffix):
    if suffix in (".dm3", ".dm4", ".emd", ".mrc"):
        pytest.importorskip("rsciio")
    path = tmp_path / f"a{suffix}"
    with pytest.raises(UserError, match="no such file"):
        read_image(path)
    path.write_bytes(b"not an image of any kind" * 20)
    with pytest.raises(UserError) as caught:
        read_image(path, 0.5)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def test_colour_images_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((24, 24, 3), np.uint8), photometric="rgb")
    with pytest.raises(UserError, match="colour"):
        read_image(tmp_path / "a.tif", 0.5)


def test_an_mrc_file_has_pixels_and_size(tmp_path):
    pytest.importorskip("rsciio")
    header = np.zeros(256, "<i4")
    header[:4] = [40, 24, 1, 2]  # columns, rows, sections, float32
    header[7:10] = [40, 24, 1]
    header[10:13] = np.array([40 * 5, 24 * 5, 5], "<f4").view("<i4")  # cell in Å: 0.5 nm per pixel
    header[16:19] = [1, 2, 3]
    header[52] = int.from_bytes(b"MAP ", "little")
    header[53] = 0x4444
    (tmp_path / "a.mrc").write_bytes(header.tobytes() + PIXELS.tobytes())
    image = read_image(tmp_path / "a.mrc")
    assert image.pixel_size_nm == pytest.approx(0.5, rel=1e-5)
    assert sorted(image.pixels.ravel()) == sorted(PIXELS.ravel())


def test_an_emd_file_has_pixels_and_size(tmp_path):
    pytest.importorskip("rsciio")
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.emd", "w") as file:
        file.attrs["version_major"], file.attrs["version_minor"] = 0, 2
        group = file.create_group("signals/haadf")
        group.attrs["emd_group_type"] = 1
        group.create_dataset("data", data=PIXELS)
        for k, (side, step) in enumerate(zip(PIXELS.shape, (5.0, 5.0), strict=True), start=1):
            axis = group.create_dataset(f"dim{k}", data=np.arange(side) * step)
            axis.attrs["name"], axis.attrs["units"] = "xy"[2 - k], "Å"
    image = read_image(tmp_path / "a.emd")
    assert image.pixel_size_nm == pytest.approx(0.5, rel=1e-5)
    assert sorted(image.pixels.ravel()) == sorted(PIXELS.ravel())


def test_a_pixel_size_from_the_user_overrides_and_must_be_possible(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, imagej=True, resolution=(2, 2), metadata={"unit": "nm"})
    assert read_image(path, 0.9).pixel_size_nm == 0.9
    for size in (0.0, -1.0, float("nan")):
        with pytest.raises(UserError, match="pixel size"):
            read_image(path, size)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30))
def test_resampling_keeps_the_mean(ny, nx, new_y, new_x):
    pixels = np.random.default_rng(ny * nx).random((1, ny, nx))
    found = resampled(pixels, (new_y, new_x))
    assert found.mean(dtype=float) == pytest.approx(pixels.mean(), rel=1e-5)


def test_resampling_by_a_whole_factor_averages_blocks():
    blocks = PIXELS.reshape(12, 2, 10, 4).mean((1, 3))
    assert np.allclose(resampled(PIXELS[None], (12, 10))[0], blocks, atol=1e-6)


def test_fitting_keeps_the_physical_size_and_frames_with_background():
    pixels = np.full((1, 60, 100), 0.25, np.float32)
    pixels[0, 20:40, 30:50] = 1.0
    fitted, size = MicroscopeImage(pixels, 0.4, "x").fitted(1, (50, 50))
    assert fitted.shape == (1, 50, 50)
    assert size == pytest.approx(0.8)
    assert fitted[0, 0, 0] == 0.25
    excess = (fitted - 0.25).sum(dtype=float) * size**2
    assert excess == pytest.approx(0.75 * 400 * 0.4**2, rel=1e-5)


def test_fitting_refuses_no_pixel_size_and_other_channels():
    image = MicroscopeImage(PIXELS[None], None, "a.npy")
    with pytest.raises(UserError, match="--pixel-size-nm"):
        image.fitted(1, (24, 40))
    with pytest.raises(UserError, match="1 channels; the model accepts 3"):
        image.fitted(3, (24, 40))


def test_levels_of_the_detector_make_fractions_of_the_beam():
    image = MicroscopeImage(100 + 900 * PIXELS[None], 0.5, "x").normalised(dark=100, beam=1000)
    assert np.allclose(image.pixels, PIXELS[None], atol=1e-5)
    with pytest.raises(UserError, match="beam above dark"):
        image.normalised(dark=2, beam=1)
