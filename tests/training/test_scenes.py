"""Tags hide pixel labels, crops keep bands with their targets, and the radiometry stays in range."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from PIL import Image

from geocloud.raster import CLEAR, CLOUD
from geocloud.training.unmix.scenes import (
    CATALOGUE_WHITE,
    UNKNOWN,
    TrainingScene,
    change_radiometry,
    crop,
    draw_bands,
    load_clear,
    load_folder,
    overcast,
    realigned,
    tags_of,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def scene(size=128):
    target = torch.zeros(size, size).half()
    target[:, size // 2 :] = 1
    data = torch.stack([target, 1 - target, torch.full_like(target, 0.5)])
    return TrainingScene("half", "toy", data, target, torch.ones(size, size).half(), (3,))


def test_a_patch_of_two_classes_becomes_unknown():
    label = np.full((128, 128), CLEAR, np.uint8)
    label[64:, 64:] = CLOUD
    label[0, 127] = CLOUD
    tagged = tags_of(label)

    assert (tagged[:, :64] == CLEAR).all()
    assert (tagged[:64, 64:] == UNKNOWN).all()
    assert (tagged[64:, 64:] == CLOUD).all()


def test_tags_are_placed_in_the_middle_of_a_picture_and_none_are_lost():
    whole = np.full((512, 512), CLEAR, np.uint8)
    whole[64:, 448:] = CLOUD  # a tag's column at the edge: no pixel of it may be mixed up with the unknown margin
    inside = realigned(whole, 8 / 9)

    assert (inside[:28] == UNKNOWN).all()
    assert (inside[:, -28:] == UNKNOWN).all()
    share = (8 / 9) ** 2
    assert abs((inside == CLOUD).mean() - share * (whole == CLOUD).mean()) < 5e-3
    assert abs((inside == CLEAR).mean() - share * (whole == CLEAR).mean()) < 5e-3
    assert inside[300, 300] == CLEAR
    assert inside[300, 460] == CLOUD


def test_crops_turn_bands_and_target_together():
    for seed in range(8):
        planes = crop(scene(), 64, generator(seed))

        assert planes.shape == (9, 64, 64)
        torch.testing.assert_close(planes[0], planes[7])
        assert not planes[3:7].any()


def test_overcast_windows_hold_nothing_but_cloud():
    assert [(y, x) for _, y, x in overcast([scene()], 64)] == [(0, 64), (64, 64)]


def test_bands_shown_are_a_leading_number_of_them():
    shown = {tuple(draw_bands((3, 4), generator(seed)).tolist()) for seed in range(20)}

    assert shown == {(1, 1, 1, 0, 0, 0, 0), (1, 1, 1, 1, 0, 0, 0)}


def test_radiometry_stays_in_range_and_changes_brightness():
    x = torch.rand((8, 7, 16, 16), generator=generator(1))
    changed = change_radiometry(x, 0.25, generator())

    assert changed.min() >= 0
    assert changed.max() <= 1.5
    assert (changed - x).abs().mean() > 0.02


def test_more_air_lifts_blue_most_and_nothing_where_a_band_is_missing():
    x = torch.full((64, 7, 4, 4), 0.1)
    x[:, 6] = 0
    change = (change_radiometry(x, 0.0, generator()) - x).mean((2, 3))

    assert change[:, 0].std() > change[:, 2].std()
    assert change[:, 6].abs().max() < 1e-3


def test_windows_that_are_told_about_are_preferred():
    sure = torch.zeros(256, 256).half()
    sure[:, :64] = 1
    one_sided = replace(scene(256), weight=sure)
    told_of = [crop(one_sided, 64, generator(seed))[8].mean() for seed in range(200)]

    assert sum(told_of) / 200 > 0.25  # a window at random sees a quarter told at the most


def test_catalogue_pictures_come_as_blue_green_red_reflectance(tmp_path):
    folder = tmp_path / "s2cmc"
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    red_picture = np.zeros((64, 64, 3), np.uint8)
    red_picture[..., 0] = 255
    Image.fromarray(red_picture).save(folder / "images" / "a.png")
    Image.fromarray(np.full((64, 64), 255, np.uint8)).save(folder / "labels" / "a.png")

    (loaded,), (middle,) = load_folder(folder, "tags"), load_folder(folder, "tags", place=True)

    assert loaded.data.float().mean((1, 2)).tolist() == pytest.approx([0, 0, CATALOGUE_WHITE], abs=1e-3)
    assert loaded.target.float().mean() == 1
    assert middle.target.float()[4:-4, 4:-4].mean() == 1
    assert not middle.weight[:3].any()  # the label shows the middle of the picture


def _write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "count": len(data), "height": data.shape[1], "width": data.shape[2]}
    with rasterio.open(path, "w", dtype=data.dtype, **profile) as file:
        file.write(data)


def test_chips_come_with_their_clear_twins_and_share_a_place(tmp_path):
    folder = tmp_path / "sen12mscr"
    bands = np.full((7, 64, 64), 2000, np.uint16)
    label = np.zeros((1, 64, 64), np.uint8)
    label[:, :, 32:] = 2  # thin cloud, on whole patches of 32
    for name in ("1868_summer_100_p100", "1868_summer_100_p30", "gen_1302"):
        _write(folder / "images" / f"{name}.tif", bands)
        _write(folder / "labels" / f"{name}.tif", label)
        _write(folder / "clear" / f"{name}.tif", bands // 2)
    (folder / "images" / "gen_1302.tif.aux.xml").write_text("<PAMDataset/>")  # as viewers leave it

    scenes = load_folder(folder, "tags")

    assert [each.place for each in scenes[:3]] == ["1868_summer_100", "1868_summer_100", "gen_1302"]
    assert len(scenes) == 6
    assert scenes[0].bands == (3, 4, 6, 7)
    assert scenes[0].target.float().mean() == 0.5
    assert scenes[0].weight.all()
    assert not scenes[3].target.any()
    assert float(scenes[3].data[0, 0, 0]) == pytest.approx(0.1, abs=1e-4)


def test_clear_images_are_ground_throughout_and_never_below_zero(tmp_path):
    _write(tmp_path / "001.tif", np.full((6, 32, 32), -50, np.int16))
    (loaded,) = load_clear([tmp_path / "001.tif"], "hls")

    assert loaded.weight.all()
    assert not loaded.target.any()
    assert loaded.data.min() == 0
