"""A corpus of scenes as bad as they come: sizes, types, values, places, storage, damage and lies."""

from __future__ import annotations

import itertools
import struct
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin
from testutils import rotated, write_scene

RGB = ("blue", "green", "red")
TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
SIZES = ((1, 1), (1, 2), (2, 1), (1, 700), (700, 1), (3, 3), (63, 65), (64, 64), (65, 1))

STATED = ("--scale", "0.0001")
"""For values of which no scale makes a reflectance: unless it is stated, they are refused."""


@dataclass(frozen=True, slots=True)
class BadScene:
    """One input."""

    name: str
    path: Path
    expected: str = "either"
    """`mask`, `sentence`, or `either`."""
    options: tuple[str, ...] = ()


def plain(shape: tuple[int, int] = (80, 90), dtype: str = "uint16", seed: int = 0) -> np.ndarray:
    """Dark ground with a bright square, in three bands."""
    high = min(6000, np.iinfo(dtype).max if np.dtype(dtype).kind in "iu" else 6000)
    dark = high // (2 if dtype == "uint8" else 8)  # bytes up to 30 alone could as well be percent, and are refused
    data = np.random.default_rng(seed).integers(1, max(2, dark), (3, *shape)).astype(dtype)
    data[:, : shape[0] // 3, : shape[1] // 3] = high
    return data


def corpus(folder: Path) -> Iterator[BadScene]:
    """All of them, written into the folder as they are asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    for make in (
        sizes,
        complex_numbers,
        values,
        nodata,
        counts,
        colours,
        places,
        storage,
        damage,
        lies,
        documents,
        others,
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield from make(folder)


def _write(folder: Path, name: str, **options: Any) -> Path:
    return write_scene(folder / f"{name}.tif", **{"names": RGB, **options})


def sizes(folder: Path) -> Iterator[BadScene]:
    for shape, dtype in itertools.product(SIZES, TYPES):
        name = f"size_{shape[0]}x{shape[1]}_{dtype}"
        yield BadScene(name, _write(folder, name, data=plain(shape, dtype)), "mask", STATED if dtype == "int8" else ())


def complex_numbers(folder: Path) -> Iterator[BadScene]:
    for dtype in ("complex64", "complex128", "complex_int16"):
        data = np.ones((3, 20, 20), dtype=np.complex64 if dtype == "complex_int16" else dtype)
        yield BadScene(dtype, _write(folder, dtype, data=data, dtype=dtype), "sentence")


def values(folder: Path) -> Iterator[BadScene]:
    floats = {"nan": np.nan, "inf": np.inf, "minus_inf": -np.inf, "huge": 1e38, "tiny": 1e-40, "negative": -3.0}
    for (name, value), dtype, part in itertools.product(floats.items(), ("float32", "float64"), ("all", "half", "one")):
        data = plain(dtype=dtype) / dtype_scale(dtype)
        where = {"all": np.s_[:], "half": np.s_[:, :40], "one": np.s_[1, 5, 5]}[part]
        data[where] = value
        path = _write(folder, f"{name}_{dtype}_{part}", data=data.astype(dtype))
        yield BadScene(f"{name}_{dtype}_{part}", path, "mask", STATED if np.isfinite(value) else ())
    for dtype, end in itertools.product(("uint8", "int16", "uint16", "int32"), ("min", "max")):
        data = np.full((3, 30, 30), getattr(np.iinfo(dtype), end), dtype=dtype)
        yield BadScene(f"{end}_{dtype}", _write(folder, f"{end}_{dtype}", data=data), "mask", STATED)


def dtype_scale(dtype: str) -> float:
    return 10000.0 if dtype.startswith("float") else 1.0


def nodata(folder: Path) -> Iterator[BadScene]:
    for dtype, value in (("uint16", 0), ("uint16", 65535), ("int16", -9999), ("uint8", 255), ("float32", -3.4e38),
                         ("float32", np.nan), ("float64", 0.0), ("uint8", 0)):  # fmt: skip
        for part in ("all", "half", "none"):
            data = plain(dtype=dtype)
            data[:, {"all": np.s_[:], "half": np.s_[:40], "none": np.s_[:0]}[part]] = value
            name = f"nodata_{value}_{dtype}_{part}"
            yield BadScene(name, _write(folder, name, data=data, nodata=value), "mask")
    data = plain()
    data[:] = 6000
    yield BadScene("nodata_is_the_data", _write(folder, "nodata_is_the_data", data=data, nodata=6000), "mask")


def counts(folder: Path) -> Iterator[BadScene]:
    for count, named in itertools.product((1, 2, 3, 4, 5, 13, 100, 300), (True, False)):
        names = (*RGB, *(f"band {n}" for n in range(count)))[:count] if named else None
        data = np.repeat(plain()[:1], count, axis=0)
        name = f"bands_{count}_{'named' if named else 'unnamed'}"
        expected = "mask" if named and count >= 3 else "sentence" if count < 3 else "either"
        yield BadScene(name, _write(folder, name, data=data, names=names), expected)
        given = ("--bands", f"blue=1,green={min(2, count)},red={count}")
        yield BadScene(f"{name}_given", folder / f"{name}.tif", "mask", given)


def colours(folder: Path) -> Iterator[BadScene]:
    palette = _write(folder, "palette", data=plain(dtype="uint8")[:1], names=None)
    with rasterio.open(palette, "r+") as dataset:
        dataset.write_colormap(1, {n: (n, n, n, 255) for n in range(256)})
    yield BadScene("palette", palette, "sentence")
    grey = [ColorInterp.gray, ColorInterp.alpha]
    yield BadScene(
        "grey_alpha",
        _write(folder, "grey_alpha", data=plain(dtype="uint8")[:2], names=None, colorinterp=grey),
        "sentence",
    )
    rgba = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    for value in (0, 1, 255):
        data = np.concatenate([plain(dtype="uint8"), np.full((1, 80, 90), value, np.uint8)])
        name = f"alpha_{value}"
        yield BadScene(
            name, _write(folder, name, data=data, names=None, colorinterp=rgba, photometric="rgb", alpha="yes"), "mask"
        )
    kinds = ("PNG", 1), ("PNG", 3), ("PNG", 4), ("JPEG", 1), ("JPEG", 3), ("WEBP", 3), ("WEBP", 4), ("GIF", 1)
    for driver, count in kinds:
        path = folder / f"picture_{count}.{driver.lower()}"
        with rasterio.open(path, "w", driver=driver, width=90, height=80, count=count, dtype="uint8") as dataset:
            dataset.write(np.repeat(plain(dtype="uint8")[:1], count, axis=0))
        yield BadScene(path.name, path, "mask" if count >= 3 else "sentence")


def places(folder: Path) -> Iterator[BadScene]:
    polar = from_origin(-450, 400, 10, 10)
    made = {
        **{f"turned_{angle}": {"transform": rotated(angle)} for angle in (1, 45, 90, 179, 270)},
        "south_up": {"transform": Affine(10, 0, 500000, 0, 10, 5000000)},
        "mirrored": {"transform": Affine(-10, 0, 500000, 0, -10, 5000000)},
        "sheared": {"transform": Affine(10, 4, 500000, 3, -10, 5000000)},
        "flat": {"transform": Affine(10, 0, 500000, 0, 0, 5000000)},
        "singular": {"transform": Affine(10, 10, 500000, 10, 10, 5000000)},
        "tiny_pixels": {"transform": from_origin(500000, 5000000, 1e-9, 1e-9)},
        "huge_pixels": {"transform": from_origin(-1e9, 1e9, 1e8, 1e8)},
        "far_away": {"transform": from_origin(1e30, 1e30, 10, 10)},
        "not_a_place": {"transform": Affine(np.nan, 0, np.nan, 0, np.nan, np.nan)},
        "no_crs": {"crs": None},
        "nowhere": {"crs": None, "transform": Affine.identity()},
        "degrees": {"crs": "EPSG:4326", "transform": from_origin(14, 47, 1e-4, 1e-4)},
        "antimeridian": {"crs": "EPSG:4326", "transform": from_origin(179.999, 10, 1e-4, 1e-4)},
        "beyond_360": {"crs": "EPSG:4326", "transform": from_origin(350, 10, 0.5, 0.5)},
        "over_the_pole": {"crs": "EPSG:4326", "transform": from_origin(0, 95, 0.2, 0.2)},
        "utm_antimeridian": {"crs": "EPSG:32660", "transform": from_origin(833000, 100000, 500, 500)},
        "north_pole": {"crs": "EPSG:3413", "transform": polar},
        "south_pole": {"crs": "EPSG:3031", "transform": polar},
        "ups": {"crs": "EPSG:32661", "transform": from_origin(1999600, 2000400, 10, 10)},
        "local_crs": {"crs": 'LOCAL_CS["plant",UNIT["metre",1]]'},
        "geocentric": {"crs": "EPSG:4978"},
    }
    for name, options in made.items():
        yield BadScene(f"place_{name}", _write(folder, f"place_{name}", data=plain(), **options))
    points = [GroundControlPoint(r, c, 14 + c / 1000, 47 - r / 1000, 0) for r in (0, 80) for c in (0, 90)]
    for name, chosen in (("gcps", points), ("one_gcp", points[:1]), ("gcps_at_one_place", points[:1] * 4)):
        path = _write(folder, f"place_{name}", data=plain(), crs=None, transform=Affine.identity())
        with rasterio.open(path, "r+") as dataset:
            dataset.gcps = chosen, rasterio.crs.CRS.from_epsg(4326)
        yield BadScene(f"place_{name}", path)
    path = _write(folder, "place_rpc", data=plain(), crs=None, transform=Affine.identity())
    single = ("LINE_OFF", "SAMP_OFF", "LAT_OFF", "LONG_OFF", "HEIGHT_OFF", "LINE_SCALE", "SAMP_SCALE", "LAT_SCALE",
              "LONG_SCALE", "HEIGHT_SCALE")  # fmt: skip
    numbers = ("LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF")
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(ns="RPC", **dict.fromkeys(numbers, " ".join(["0.1"] * 20)), **dict.fromkeys(single, "1"))
    yield BadScene("place_rpc", path, "sentence")


def storage(folder: Path) -> Iterator[BadScene]:
    forms: list[dict[str, Any]] = [
        {"tiled": True, "blockxsize": side, "blockysize": side} for side in (16, 32, 64, 512)
    ]
    forms += [{"tiled": True, "blockxsize": 16, "blockysize": 256}, *({"blockysize": rows} for rows in (1, 7, 80))]
    for (number, form), interleave in itertools.product(enumerate(forms), ("pixel", "band")):
        name = f"stored_{number}_{interleave}"
        yield BadScene(name, _write(folder, name, data=plain(), interleave=interleave, **form), "mask")
    kinds = (
        ("lzw", 1),
        ("lzw", 2),
        ("deflate", 1),
        ("deflate", 2),
        ("zstd", 2),
        ("lzma", 1),
        ("packbits", 1),
        ("lerc", 1),
    )
    for compress, predictor in kinds:
        name = f"compressed_{compress}_{predictor}"
        more = {"predictor": predictor} if predictor > 1 else {}
        yield BadScene(name, _write(folder, name, data=plain(), compress=compress, **more), "mask")
    for side in (8000, 30000):
        path = folder / f"sparse_{side}.tif"
        profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8", "tiled": True,
                   "blockxsize": 512, "blockysize": 512, "sparse_ok": True, "nodata": 0}  # fmt: skip
        with rasterio.open(path, "w", **profile) as dataset:
            dataset.descriptions = RGB
        yield (
            BadScene(path.stem, path, "mask", ("--polygons", "none"))
            if side == 20000
            else BadScene(path.stem, path, "sentence", ("--max-pixels", "1000000"))
        )


def damage(folder: Path) -> Iterator[BadScene]:
    data = np.random.default_rng(3).integers(300, 900, (3, 200, 200)).astype(np.uint16)
    whole = _write(
        folder, "whole", data=data, compress="deflate", tiled=True, blockxsize=64, blockysize=64
    ).read_bytes()
    for percent in (0.1, 1, 5, 25, 50, 75, 90, 99, 99.9):
        path = folder / f"cut_{percent}.tif"
        path.write_bytes(whole[: int(len(whole) * percent / 100)])
        yield BadScene(path.stem, path)
    for seed in range(24):
        rng, content = np.random.default_rng(seed), bytearray(whole)
        start = int(rng.integers(len(content) // 4, len(content) - 600))
        content[start : start + 500] = rng.bytes(500)
        path = folder / f"corrupt_{seed}.tif"
        path.write_bytes(content)
        yield BadScene(path.stem, path)


def lies(folder: Path) -> Iterator[BadScene]:
    """Every entry of a real TIFF directory with values that lie."""
    whole = _write(folder, "honest", data=plain()).read_bytes()
    (start,) = struct.unpack_from("<I", whole, 4)
    (entries,) = struct.unpack_from("<H", whole, start)
    for entry, value in itertools.product(range(entries), (0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)):
        content, place = bytearray(whole), start + 2 + 12 * entry
        (tag,) = struct.unpack_from("<H", whole, place)
        struct.pack_into("<I", content, place + 8, value)
        path = folder / f"lie_{tag}_{value}.tif"
        path.write_bytes(content)
        yield BadScene(path.stem, path)
    for name, width, height in (("square", 10**6, 10**6), ("wide", 2**31 - 1, 1), ("tall", 1, 2**31 - 1)):
        path = folder / f"absurd_{name}.vrt"
        path.write_text(vrt("whole.tif", width, height))
        yield BadScene(path.stem, path, "sentence" if name != "tall" else "either", ("--max-pixels", "100000000"))
    content = bytearray(whole)
    for index in range(entries):
        place = start + 2 + 12 * index
        if struct.unpack_from("<H", whole, place)[0] in (256, 257):
            struct.pack_into("<HII", content, place + 2, 4, 1, 10**6)
    path = folder / "absurd_10_to_the_12.tif"
    path.write_bytes(content)
    yield BadScene(path.stem, path, "sentence")


def vrt(source: str, width: int = 80, height: int = 80) -> str:
    """Three bands of one source."""
    bands = "".join(
        f'<VRTRasterBand dataType="UInt16" band="{n}"><Description>{name}</Description><SimpleSource><SourceFilename '
        f'relativeToVRT="1">{source}</SourceFilename><SourceBand>{n}</SourceBand></SimpleSource></VRTRasterBand>'
        for n, name in enumerate(RGB, start=1)
    )
    return f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}">{bands}</VRTDataset>'


def documents(folder: Path) -> Iterator[BadScene]:
    function = "<PixelFunctionLanguage>Python</PixelFunctionLanguage>"
    texts = {
        "good": (vrt("honest.tif"), "mask"),
        "dangling": (vrt("gone.tif"), "sentence"),
        "itself": (vrt("vrt_itself.vrt"), "sentence"),
        "cycle_a": (vrt("vrt_cycle_b.vrt"), "sentence"),
        "outside": (vrt("../../secret.tif"), "sentence"),
        "password": (vrt("/etc/passwd"), "sentence"),
        "prefix": (vrt("GTIFF_DIR:1:/etc/passwd"), "sentence"),
        "empty": ('<VRTDataset rasterXSize="5" rasterYSize="5"/>', "sentence"),
        "zero": (vrt("honest.tif", 0, 0), "sentence"),
        "negative": (vrt("honest.tif", -5, 5), "sentence"),
        "cut": (vrt("honest.tif")[:200], "sentence"),
        "entities": ('<!DOCTYPE x [<!ENTITY a "b">]>' + vrt("honest.tif"), "sentence"),
        "python": (vrt("honest.tif").replace("<SimpleSource>", f"{function}<SimpleSource>"), "sentence"),
    }  # fmt: skip
    (folder / "vrt_cycle_b.vrt").write_text(vrt("vrt_cycle_a.vrt"))
    for name, (text, expected) in texts.items():
        path = folder / f"vrt_{name}.vrt"
        path.write_text(text)
        yield BadScene(path.stem, path, expected)


def others(folder: Path) -> Iterator[BadScene]:
    """What people pass by mistake."""
    contents = {
        "empty.tif": b"",
        "one_byte.tif": b"I",
        "text.tif": b"hello",
        "page.tif": b"<html><body>404</body></html>",
        "zeros.tif": bytes(5000),
        "noise.tif": np.random.default_rng(1).bytes(5000),
        "pdf.tif": b"%PDF-1.4\n",
        "gzip.tif": b"\x1f\x8b\x08" + bytes(50),
        "list.json": b"[]",
        "null.json": b"null",
        "deep.json": b"[" * 100000,
        "feature.json": b'{"type": "Feature", "assets": {}}',
        "numbers.json": b'{"type": "Feature", "assets": {"a": {"href": 5}}}',
        "bad_utf8.json": b"\xff\xfe{}",
        "broken.zip": b"PK\x03\x04",
        "broken.tar": b"x" * 600,
        "x_MTL.txt": b"GROUP = A\n",
        "x_MTL.json": b"{}",
        "MTD_MSIL2A.xml": b"<a/>",
        "broken.vrt": b"<VRTDataset",
        "header.jp2": b"\x00\x00\x00\x0cjP  \r\n\x87\n",
    }
    for name, content in contents.items():
        place = folder / f"other_{name.replace('.', '_')}"
        place.mkdir()
        (place / name).write_bytes(content)
        yield BadScene(f"other_{name}", place / name, "sentence")
    for name in ("a_folder", "S2A_X.SAFE", "cube.zarr"):
        (folder / name).mkdir()
        yield BadScene(name, folder / name, "sentence")
    with zipfile.ZipFile(folder / "climbing.zip", "w") as archive:
        archive.write(folder / "honest.tif", "../../B02.tif")
        archive.write(folder / "honest.tif", "/etc/B03.tif")
    yield BadScene("climbing.zip", folder / "climbing.zip", "sentence")
    yield BadScene("absent", folder / "absent.tif", "sentence")
    yield BadScene("null_byte", folder / "a\nb.tif", "sentence")
