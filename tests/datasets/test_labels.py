"""Labels that show only the middle of their scene, enlarged."""

import numpy as np
import rasterio
from PIL import Image

from geocloud.datasets.labelled import Choice, open_labelled
from geocloud.datasets.labels import LabelCodes, read_truth


def test_labels_of_the_middle_are_put_where_they_belong(tmp_path):
    scene = np.zeros((64, 96), dtype=np.uint8)
    scene[20:30, 40:70] = 1
    middle = np.repeat(np.repeat(scene[16:48, 24:72], 2, axis=0), 2, axis=1)
    with rasterio.open(
        tmp_path / "label.tif", "w", driver="GTiff", width=96, height=64, count=1, dtype="uint8"
    ) as file:
        file.write(middle, 1)

    cloud, known = read_truth(tmp_path / "label.tif", LabelCodes(covers=0.5))

    assert known[16:48, 24:72].all()
    assert known.sum() == 32 * 48
    np.testing.assert_array_equal(cloud[known], scene[known] == 1)
    assert (read_truth(tmp_path / "label.tif", LabelCodes())[0] == (middle == 1)).all()


def test_images_of_another_folder_beside_are_none_of_the_labels_own(tmp_path):
    for folder, value in (("images", 200), ("clear", 20), ("labels", 255)):
        (tmp_path / folder).mkdir()
        suffix = ".png" if folder == "labels" else ".webp"
        Image.fromarray(np.full((64, 64, 3), value, np.uint8)).save(tmp_path / folder / f"a{suffix}", lossless=True)

    with open_labelled(tmp_path, Choice()) as opened:
        assert [file.name for file in opened.files] == ["images/a.webp"]
        assert opened.labels["images/a.webp"].name == "a.png"
        assert opened.source.read(opened.files[0]).mean() > 0.5
