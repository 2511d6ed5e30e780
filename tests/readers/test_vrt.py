"""Virtual rasters as documents: what they may name, and forms of naming that hide a file."""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from testutils import write_scene

from geocloud import SceneOptions, open_scene
from geocloud.errors import InputError
from geocloud.raster import Window
from geocloud.readers.files.opening import open_raster

WMS = """<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:9/${z}/${x}/${y}.png</ServerUrl></Service>
<DataWindow><SizeX>256</SizeX><SizeY>256</SizeY></DataWindow><BandsCount>3</BandsCount></GDAL_WMS>"""
BANDS = ("Blue", "Green", "Red")


def write_vrt(path: Path, source: str, *, relative: int = 0, extra: str = "", size: int = 100) -> Path:
    """Three bands of one source, named as given."""
    bands = "".join(
        f'<VRTRasterBand dataType="UInt16" band="{n}"><Description>{name}</Description><SimpleSource>'
        f'<SourceFilename relativeToVRT="{relative}">{source}</SourceFilename><SourceBand>{n}</SourceBand>'
        f"</SimpleSource></VRTRasterBand>"
        for n, name in enumerate(BANDS, start=1)
    )
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'<VRTDataset rasterXSize="{size}" rasterYSize="{size}">{extra}{bands}</VRTDataset>')
    return path


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A raster outside the document's folder."""
    return write_scene(tmp_path / "secret.tif", shape=(100, 100))


@pytest.mark.parametrize(
    "form",
    ["{}", "../secret.tif", "GTIFF_DIR:1:{}", "vrt://{}?bands=1,2,3", "/vsisubfile/0,{}", "file://{}", "NETCDF:{}:a"],
)
def test_no_way_of_naming_a_file_leads_outside(tmp_path: Path, secret: Path, form: str) -> None:
    """Also with the document's folder as the current one, which made `GTIFF_DIR:1:/x` look like a file below it."""
    text = form.format(secret)
    document = write_vrt(tmp_path / "a" / "m.vrt", text, relative=int(text.startswith("..")))
    here = Path.cwd()
    for folder in (here, document.parent):
        os.chdir(folder)
        try:
            with pytest.raises(InputError, match=r"m\.vrt names"):
                open_scene(document)
        finally:
            os.chdir(here)


def test_a_raster_hidden_in_the_name_is_refused(tmp_path: Path, secret: Path) -> None:
    inner = write_vrt(tmp_path / "inner.vrt", str(secret)).read_text().replace("<", "&lt;")
    with pytest.raises(InputError, match="which is no path or URL"):
        open_scene(write_vrt(tmp_path / "a" / "m.vrt", inner))


def test_a_warped_one_is_a_document_too(tmp_path: Path, secret: Path) -> None:
    extra = f'<GDALWarpOptions><SourceDataset relativeToVRT="0">{secret}</SourceDataset></GDALWarpOptions>'
    beside = write_scene(tmp_path / "a.tif", shape=(100, 100))
    (tmp_path / "a").mkdir()
    beside.rename(tmp_path / "a" / "a.tif")
    with pytest.raises(InputError, match="not beside or below it"):
        open_scene(write_vrt(tmp_path / "a" / "m.vrt", "a.tif", relative=1, extra=extra))


def test_python_in_a_document_never_runs(tmp_path: Path) -> None:
    extra = "<x><PixelFunctionLanguage>Python</PixelFunctionLanguage></x>"
    with pytest.raises(InputError, match="runs Python code"):
        open_scene(write_vrt(tmp_path / "m.vrt", "a.tif", extra=extra), SceneOptions(allow_external=True))


def test_one_made_of_itself_one_too_deep_and_one_of_nothing(tmp_path: Path) -> None:
    write_vrt(tmp_path / "m.vrt", "n.vrt", relative=1)
    with pytest.raises(InputError, match="made of itself"):
        open_scene(write_vrt(tmp_path / "n.vrt", "m.vrt", relative=1))
    for number in range(12):
        write_vrt(tmp_path / f"{number}.vrt", f"{number + 1}.vrt", relative=1)
    write_scene(tmp_path / "12.vrt", shape=(100, 100))
    with pytest.raises(InputError, match="more than 8 deep"):
        open_scene(tmp_path / "0.vrt")
    with pytest.raises(InputError, match=r"gone\.tif, which does not exist"):
        open_scene(write_vrt(tmp_path / "m.vrt", "gone.tif", relative=1))


def test_nesting_that_multiplies_is_refused(tmp_path: Path) -> None:
    """Eight levels of a hundred equal names each are 10^16 readings for GDAL."""
    write_scene(tmp_path / "7.vrt", shape=(100, 100))
    for number in range(7):
        path = write_vrt(tmp_path / f"{number}.vrt", f"{number + 1}.vrt", relative=1)
        text = path.read_text()
        start, end = text.index("<SimpleSource>"), text.index("</SimpleSource>") + len("</SimpleSource>")
        path.write_text(text.replace(text[start:end], text[start:end] * 100))
    with pytest.raises(InputError, match="made of more than 1000000 parts"):
        open_scene(tmp_path / "0.vrt")
    with open_scene(tmp_path / "6.vrt") as scene:
        assert scene.bands == ("blue", "green", "red")


def test_in_a_zip_it_names_members_and_nothing_else(tmp_path: Path, secret: Path) -> None:
    write_vrt(tmp_path / "good.vrt", "secret.tif", relative=1)
    write_vrt(tmp_path / "bad.vrt", str(secret))
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for name in ("good.vrt", "bad.vrt", "secret.tif"):
            archive.write(tmp_path / name, name)
    with open_scene(f"/vsizip/{tmp_path}/z.zip/good.vrt") as scene:
        assert scene.read(Window(0, 0, 100, 100), scene.bands).data.max() > 0
    with pytest.raises(InputError, match="not beside or below it"):
        open_scene(f"/vsizip/{tmp_path}/z.zip/bad.vrt")


def test_a_remote_one_never_names_local_files(served: tuple[str, Path], secret: Path, tmp_path: Path) -> None:
    url, folder = served
    for relative in (0, 1):
        write_vrt(folder / f"m{relative}.vrt", str(secret), relative=relative)
        with pytest.raises(InputError, match="is remote and names the local file"):
            open_scene(f"{url}/m{relative}.vrt", SceneOptions(allow_external=True))
    write_scene(folder / "there.tif", shape=(100, 100))
    write_vrt(folder / "n.vrt", "there.tif", relative=1)
    with open_scene(f"{url}/n.vrt") as scene:
        assert scene.bands == ("blue", "green", "red")
    local = write_vrt(tmp_path / "a" / "l.vrt", f"/vsicurl/{url}/m0.vrt")
    with pytest.raises(InputError, match="a remote document that names files itself"):
        open_scene(local)


def test_other_documents_of_gdal_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.tif").write_text(WMS)
    with pytest.raises(InputError, match="may name other files"):
        open_scene(tmp_path / "m.tif")
    with pytest.raises(InputError, match="may name other files"):  # also as a part of a virtual raster
        open_scene(write_vrt(tmp_path / "v.vrt", "m.tif", relative=1))


def test_links_in_a_product_lead_nowhere_else(tmp_path: Path, make_safe: Callable[..., Path]) -> None:
    safe = make_safe(tmp_path / "in")
    band = next(safe.rglob("*_B04.jp2"))
    outside = tmp_path / "outside.jp2"
    band.rename(outside)
    band.symlink_to(outside)
    with pytest.raises(InputError, match=r"outside|not beside or below it"):
        open_scene(safe)
    with open_scene(safe, SceneOptions(allow_external=True)) as scene:
        assert np.isfinite(scene.read(Window(0, 0, 9, 9), ("red",)).data).all()


@pytest.mark.skipif(os.name == "nt", reason="pipes have no names there")
def test_a_pipe_or_a_device_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.tif")
    os.mkfifo(tmp_path / "p.json")
    names = (f"file://{tmp_path}/p.tif", f"/vsisubfile/0_100,{tmp_path}/p.tif", f"/vsigzip/{tmp_path}/p.tif")
    for path in (tmp_path / "p.tif", tmp_path / "p.json", "/dev/zero", *names):
        with pytest.raises(InputError, match="is a pipe, a socket or a device"):
            open_scene(path)
    for path in names:
        with pytest.raises(InputError, match="is a pipe, a socket or a device"):
            open_raster(path)


def test_names_that_no_file_has_are_one_sentence(tmp_path: Path) -> None:
    for name in ("a\0b.tif", "b\udcff.tif"):
        with pytest.raises(InputError):
            open_scene(tmp_path / name)


def test_hdf5_may_hold_its_pixels_elsewhere(tmp_path: Path) -> None:
    """External storage and virtual datasets name any file; the sign of the format is enough to be refused."""
    from geocloud.readers.files.opening import PIXEL_DRIVERS, safe_drivers

    (tmp_path / "a.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    (tmp_path / "b.nc").write_bytes(b"CDF\x01" + bytes(100))
    assert not {"HDF5", "HDF5Image", "netCDF", "KEA"} & set(safe_drivers(str(tmp_path / "a.nc")))
    assert "netCDF" in safe_drivers(str(tmp_path / "b.nc"))
    assert "GTI" not in PIXEL_DRIVERS


@pytest.mark.parametrize("form", ["raw", "virtual", "link", "dimension"])
@pytest.mark.parametrize("suffix", ["nc", "h5"])
def test_hdf5_takes_no_pixels_from_elsewhere(tmp_path: Path, form: str, suffix: str) -> None:
    """Real files: external storage, a virtual dataset, an external link, and the first of a coordinate."""
    h5py = pytest.importorskip("h5py")
    secret, shape = np.full((40, 50), 7777, dtype="<u2"), (40, 50)
    (tmp_path / "secret.raw").write_bytes(secret.tobytes())
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["blue"] = secret
    folder = tmp_path / "in"
    folder.mkdir()
    outside = [(str(tmp_path / "secret.raw"), 0, h5py.h5f.UNLIMITED)]
    with h5py.File(folder / f"a.{suffix}", "w") as file:
        y = file.create_dataset("y", shape=(40,), dtype="<u2", external=outside if form == "dimension" else None)
        x = file.create_dataset("x", data=np.arange(50.0))
        bands = file.create_group("bands") if form == "link" else file
        for name in ("blue", "green", "red", "nir"):
            if form == "raw":
                band = file.create_dataset(name, shape, "<u2", external=outside)
            elif form == "virtual":
                layout = h5py.VirtualLayout(shape, "<u2")
                layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "blue", shape=shape)
                band = file.create_virtual_dataset(name, layout)
            elif form == "link":
                bands[name] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "blue")
                continue
            else:
                band = file.create_dataset(name, data=np.zeros(shape, dtype="<u2"))
            y.make_scale("y")
            x.make_scale("x")
            band.dims[0].attach_scale(y)
            band.dims[1].attach_scale(x)
    with pytest.raises(InputError, match="from another file"):
        open_scene(folder / f"a.{suffix}")


def test_hdf5_that_holds_itself_is_one_sentence(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.nc", "w") as file:
        for name in "abc":
            file[name] = file["/"]
    with pytest.raises(InputError):
        open_scene(tmp_path / "a.nc")


@pytest.mark.parametrize("suffix", [".zarr", ".nc"])
def test_chunks_that_are_too_large_for_the_memory_are_refused(tmp_path: Path, suffix: str) -> None:
    """A store of a few bytes whose one chunk would be gigabytes."""
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("zarr" if suffix == ".zarr" else "h5netcdf")
    path = tmp_path / f"s{suffix}"
    if suffix == ".zarr":
        plane = ("y", "x"), np.full((40, 50), 500, dtype="<u2")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = xarray.Dataset(dict.fromkeys(("blue", "green", "red"), plane))
            data.to_zarr(path, zarr_format=2, consolidated=False)
        about = json.loads((path / "red" / ".zarray").read_text())
        (path / "red" / ".zarray").write_text(json.dumps(about | {"chunks": [60_000, 60_000]}))
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            for name in ("blue", "green", "red"):
                file.create_dataset(name, (60_000, 60_000), "<u2", chunks=(60_000, 30_000), compression="gzip")
                for axis, dim in enumerate(("y", "x")):
                    if dim not in file:
                        file.create_dataset(dim, data=np.arange(60_000))
                        file[dim].make_scale(dim)
                    file[name].dims[axis].attach_scale(file[dim])
    with pytest.raises(InputError, match=r"in chunks of 60000x\d+, which are read whole"):
        open_scene(path)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("version", [2, 3])
def test_a_zarr_store_takes_no_chunk_from_elsewhere(tmp_path: Path, version: int) -> None:
    """A chunk that is not compressed may be any file at all."""
    pytest.importorskip("zarr")
    xarray = pytest.importorskip("xarray")
    plane = ("y", "x"), np.full((40, 50), 500, dtype="<u2")
    store = tmp_path / "in" / "s.zarr"
    data = dict.fromkeys(("blue", "green", "red", "nir"), plane)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        xarray.Dataset(data).to_zarr(store, zarr_format=version, consolidated=False)
    with open_scene(store) as scene:
        assert scene.bands == ("blue", "green", "red", "nir")
    chunk = next(path for path in (store / "blue").rglob("*") if path.is_file() and path.name.startswith("0"))
    (tmp_path / "secret").write_bytes(bytes(4000))
    chunk.unlink()
    chunk.symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="a link out of its store"):
        open_scene(store)
    chunk.unlink()
    os.mkfifo(chunk)
    with pytest.raises(InputError, match="is a pipe"):
        open_scene(store)
    chunk.unlink()
    chunk.symlink_to(next((store / "red").rglob("0*")))  # within
    with open_scene(store) as scene:
        assert scene.read(Window(0, 0, 40, 50), ("blue",)).valid.all()
