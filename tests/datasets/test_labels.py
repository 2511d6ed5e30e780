"""Labels that show only the middle of their scene, enlarged."""

import numpy as np
import rasterio

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
