import numpy as np
import pytest
import rasterio
from PIL import Image

from geocloud.datasets.folder import DataSet
from geocloud.errors import InputError
from geocloud.training.patches.data import PatchRequest, cut_patches


def _coordinates(path, shape=(200, 150), nodata_rows=0):
    """A scene whose blue is the row and whose green is the column, in thousandths."""
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(np.float32) / 1000
    data = np.stack([rows, cols, rows + cols])
    data[:, :nodata_rows] = np.nan
    with rasterio.open(path, "w", driver="GTiff", height=shape[0], width=shape[1], count=3, dtype="float32") as file:
        file.write(data)
        for band, name in enumerate(("blue", "green", "red"), start=1):
            file.set_band_description(band, name)
    return path


def _cut(path, **request):
    with DataSet(path) as data:
        return cut_patches(data, data.files, PatchRequest(**request))


def test_scene_patches_lie_on_the_grid_and_touch_no_nodata(tmp_path):
    patches = _cut(_coordinates(tmp_path / "s.tif", nodata_rows=1))
    corners = {(round(float(p[0, 0, 0]) * 1000), round(float(p[1, 0, 0]) * 1000)) for p in patches.data}
    assert corners == {(64, 0), (64, 64), (128, 0), (128, 64)}
    assert np.isfinite(patches.data).all()


def test_a_limit_draws_evenly_from_the_files_and_the_same_ones_again(tmp_path):
    for name in ("a", "b"):
        _coordinates(tmp_path / f"{name}.tif", (640, 640))
    first, again = (_cut(tmp_path, limit=20, seed=3) for _ in range(2))
    assert {name: first.files.count(name) for name in set(first.files)} == {"a.tif": 10, "b.tif": 10}
    np.testing.assert_array_equal(first.data, again.data)
    assert not np.array_equal(first.data, _cut(tmp_path, limit=20, seed=4).data)


def test_pictures_are_cut_or_resized(tmp_path):
    Image.new("RGB", (200, 130)).save(tmp_path / "large.png")
    Image.new("RGB", (30, 90)).save(tmp_path / "small.png")
    assert _cut(tmp_path, fit="resize").files == ("large.png", "small.png")
    assert sorted(_cut(tmp_path, fit="cut").files) == ["large.png"] * 6 + ["small.png"]


def test_missing_bands_are_named_or_marked(tmp_path):
    path = _coordinates(tmp_path / "s.tif")
    with pytest.raises(InputError, match=r"s\.tif has no nir among its bands blue, green, red"):
        _cut(path, bands=("blue", "nir"))
    patches = _cut(path, bands=("blue",), optional_bands=("nir",))
    assert patches.present.tolist() == [[True, False]] * len(patches)
    assert not patches.data[:, 1].any()


def test_a_scene_without_a_whole_patch_is_refused(tmp_path):
    with pytest.raises(InputError, match="gives no 64x64 patch without nodata"):
        _cut(_coordinates(tmp_path / "s.tif", (60, 300)))
