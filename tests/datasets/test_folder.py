import zipfile

import numpy as np
import pytest
import rasterio
from PIL import Image

from geocloud.datasets.folder import DataSet
from geocloud.errors import InputError, UsageError


def _save(folder, name, colour=(200, 100, 50), size=(70, 80), mode="RGB"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).convert(mode).save(path)
    return path


def _zip(folder, path, extra=()):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(folder).as_posix())
        for name, content in extra:
            archive.writestr(name, content)
    return path


def test_bands_are_named_truthfully(tmp_path):
    with DataSet(_save(tmp_path, "a.png")) as data:
        picture = data.read(data.files[0])
    assert picture.shape == (3, 80, 70)
    np.testing.assert_allclose(picture[:, 0, 0] * 255, 0.8 * np.array([50, 100, 200]), rtol=1e-6)  # blue, green, red


@pytest.mark.parametrize(
    ("name", "mode"), [("a.jpg", "CMYK"), ("a.jpg", "L"), ("a.png", "P"), ("a.png", "1"), ("a.tif", "RGB")]
)
def test_every_colour_mode_becomes_three_bands(tmp_path, name, mode):
    with DataSet(_save(tmp_path, name, (240, 240, 240), mode=mode)) as data:
        picture = data.read(data.files[0], 64)
    assert picture.shape == (3, 64, 64)
    assert picture.mean() == pytest.approx(0.8 * 240 / 255, abs=0.07)


def test_a_zip_reads_as_its_folder(tagged, tmp_path):
    with DataSet(tagged) as folder, DataSet(_zip(tagged, tmp_path / "t.zip")) as archive:
        assert [(f.name, f.tag) for f in folder.files] == [(f.name, f.tag) for f in archive.files]
        np.testing.assert_array_equal(folder.read(folder.files[3]), archive.read(archive.files[3]))


def test_classes_choose_subfolders_and_unknown_ones_are_answered_with_those_there_are(tagged):
    with DataSet(tagged, ["field"]) as data:
        assert data.classes == ("field",)
    with pytest.raises(UsageError, match=r"'desert' is not among the subfolders of .*: cloudy, field"):
        DataSet(tagged, ["desert"])


def test_second_copies_and_hidden_files_are_left_out(tmp_path):
    for name in ("pond.jpg", "pond (1).jpg", "lake (1).jpg", "lake(2).jpg", "._pond.jpg", "__MACOSX/pond.jpg"):
        _save(tmp_path, name)
    with DataSet(tmp_path) as data:
        assert [file.name for file in data.files] == ["lake (1).jpg", "lake(2).jpg", "pond.jpg"]


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", "a/../../evil.png", "C:/evil.png", "a\\evil.png"])
def test_zip_members_that_point_outside_are_refused(tagged, tmp_path, name):
    with pytest.raises(InputError, match="points outside the zip"):
        DataSet(_zip(tagged, tmp_path / "t.zip", [(name, b"x")]))


def test_damaged_files_are_one_sentence(tmp_path):
    (tmp_path / "broken.zip").write_bytes(b"PK no zip")
    with pytest.raises(InputError, match="is no zip that can be read"):
        DataSet(tmp_path / "broken.zip")
    path = _save(tmp_path, "cut/a.png")
    path.write_bytes(path.read_bytes()[:60])
    with DataSet(path) as data, pytest.raises(InputError, match="is no picture that can be read"):
        data.read(data.files[0])
    with pytest.raises(InputError, match="does not exist"):
        DataSet(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no pictures or scenes"):
        DataSet(tmp_path / "empty")


def test_a_file_that_is_no_picture_is_named_once(tmp_path):
    (tmp_path / "notes.png").write_text("no picture")
    with DataSet(tmp_path / "notes.png") as data, pytest.raises(InputError) as caught:
        data.read(data.files[0])
    assert str(caught.value).startswith(f"{tmp_path / 'notes.png'} is no picture")


def test_scenes_are_told_from_pictures(labelled, tmp_path):
    with DataSet(labelled / "images") as data:
        assert all(data.is_scene(file) for file in data.files)
    with DataSet(_save(tmp_path, "a.tif")) as data:
        assert not data.is_scene(data.files[0])
    with rasterio.open(tmp_path / "deep.tif", "w", driver="GTiff", width=4, height=4, count=3, dtype="float32") as file:
        file.write(np.zeros((3, 4, 4), dtype=np.float32))
    with DataSet(tmp_path / "deep.tif") as data:
        assert data.is_scene(data.files[0])
