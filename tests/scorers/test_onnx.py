"""Networks of the user's own: an ONNX file with a card, through the whole pipeline; hostile ones refused unrun."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from testutils import run_cli, run_program, write_scene

from geocloud import DetectOptions, detect, load_scorer, mask, open_scene
from geocloud.errors import ModelError
from geocloud.raster import PatchBatch, Window
from geocloud.scorers.onnx_card import read_onnx_card, with_threshold, write_onnx_card
from geocloud.verbs.export_model import export_model

onnx = pytest.importorskip("onnx", reason="needs pip install 'geocloud[onnx]'")
pytest.importorskip("onnxruntime", reason="needs pip install 'geocloud[onnx]'")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT
BANDS = ("blue", "green", "red", "nir")
SIDE = 128


def constant(name: str, values: Any, kind: str = "float32") -> Any:
    return onnx.numpy_helper.from_array(np.array(values, dtype=kind), name)


def save(path: Path, nodes: list, weights: list, out: tuple, shape: tuple = (1, 4, SIDE, SIDE), **options: Any) -> Path:
    """A file of these nodes from `x` to `y`."""
    given, made = (helper.make_tensor_value_info(name, FLOAT, dims) for name, dims in (("x", shape), ("y", out)))
    graph = helper.make_graph(nodes, "net", [given], [made], weights, sparse_initializer=options.get("sparse", ()))
    opsets = [helper.make_opsetid("", 17), *options.get("opsets", ())]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return path


def card(path: Path, **values: Any) -> Path:
    """Its card, the values over those of a network on four bands with one plane of scores."""
    told = {"bands": list(BANDS), "patch": SIDE, "halo": 32, "output": "score", "threshold": 0.25, **values}
    lines = (f"{key} = {json.dumps(value)}\n".replace("NaN", "nan") for key, value in told.items() if value is not None)
    path.with_suffix(".toml").write_text("".join(lines))
    return path


def blur(path: Path, planes: int = 1, reach: int = 8, **values: Any) -> Path:
    """A network whose plane k is k + 1 times the mean of all bands over 17 x 17 pixels: a wrong halo would show."""
    size = 2 * reach + 1
    kernel = np.ones((planes, 4, size, size)) * np.arange(1, planes + 1)[:, None, None, None] / (4 * size**2)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], pads=[reach] * 4)]
    file = save(path, nodes, [constant("w", kernel)], (1, planes, SIDE, SIDE))
    return card(file, **values)


def batch(data: np.ndarray, bands: tuple = BANDS, halo: int = 32) -> PatchBatch:
    window = Window(0, 0, *(size - 2 * halo for size in data.shape[1:]))
    return PatchBatch((window,), data[None], np.ones((1, *data.shape[1:]), bool), bands)


@pytest.fixture
def tile() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (4, SIDE, SIDE)).astype(np.float32)


def expected(tile: np.ndarray, reach: int = 8, halo: int = 32) -> np.ndarray:
    views = np.lib.stride_tricks.sliding_window_view(tile.mean(axis=0), (2 * reach + 1,) * 2)
    return views.mean(axis=(2, 3))[halo - reach : reach - halo, halo - reach : reach - halo]


def test_a_score_is_the_network_s_own_away_from_the_edge(tile: np.ndarray, tmp_path: Path) -> None:
    scorer = load_scorer(blur(tmp_path / "m.onnx"))
    assert np.allclose(scorer.score(batch(tile))[0], expected(tile), atol=1e-5)
    swapped = batch(tile[::-1].copy(), BANDS[::-1])
    assert np.array_equal(scorer.score(swapped), scorer.score(batch(tile)))  # bands by name, not by place


def test_scale_mean_and_std_are_applied_in_this_order(tile: np.ndarray, tmp_path: Path) -> None:
    numbers = {"scale": 10000, "mean": [1000.0] * 4, "std": [2000.0] * 4}
    scorer = load_scorer(blur(tmp_path / "m.onnx", **numbers))
    assert np.allclose(scorer.score(batch(tile))[0], (expected(tile) * 10000 - 1000) / 2000, atol=1e-3)


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ({"output": "logits", "threshold": None, "classes": ["clear", "cloud"]}, lambda x: 2 * x - x),
        ({"output": "logits", "threshold": None, "classes": ["cloud", "clear"]}, lambda x: x - 2 * x),
        ({"output": "probability", "threshold": None, "classes": ["clear", "thin"], "scale": 0.5}, lambda x: x),
        ({"cloud_is": "low"}, lambda x: -x),
    ],
)
def test_outputs_become_scores_that_are_higher_for_cloud(
    values: dict, answer: Any, tile: np.ndarray, tmp_path: Path
) -> None:
    planes = len(values.get("classes", [0]))
    scorer = load_scorer(blur(tmp_path / "m.onnx", planes, **values))
    assert np.allclose(scorer.score(batch(tile))[0], answer(expected(tile)), atol=1e-5)


def test_class_numbers_of_cloud_are_cloud(tile: np.ndarray, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Slice", ["x", "from", "to", "axis"], ["first"]),
        helper.make_node("Mul", ["first", "three"], ["many"]),
        helper.make_node("Floor", ["many"], ["y"]),
    ]
    weights = [constant(name, [value], "int64") for name, value in (("from", 0), ("to", 1), ("axis", 1))]
    path = save(tmp_path / "m.onnx", nodes, [*weights, constant("three", [3.0])], (1, 1, SIDE, SIDE))
    card(path, output="classes", threshold=None, classes=["water", "cloud", "thin"])
    score = load_scorer(path).score(batch(tile))[0]
    assert np.array_equal(score == 1, tile[0, 32:-32, 32:-32] >= 1 / 3)


CLASSES = ["water", "cloud", "shadow", "thin"]


@pytest.mark.parametrize("output", ["logits", "probability"])
def test_classes_of_the_network_have_bands_and_codes_of_their_own(output: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    nodes = [helper.make_node("Softmax", ["x"], ["y"], axis=1) if output == "probability" else
             helper.make_node("Identity", ["x"], ["y"])]  # fmt: skip
    model = save(tmp_path / "m.onnx", nodes, [], (1, 4, SIDE, SIDE))
    card(model, output=output, threshold=None, classes=CLASSES, scale=8.0)
    data = rng.integers(500, 9500, (4, 96, 96)).astype(np.uint16)
    scene = write_scene(tmp_path / "scene.tif", data=data)
    options = DetectOptions(model=model, class_scores=True, score=True, classes="cloud,shadow,thin", polygons="none")
    found = detect(scene, tmp_path / "out", options)
    with open_scene(scene) as opened:
        logits = 8 * opened.read(Window(0, 0, 96, 96), BANDS).data
    shares = dict(zip(CLASSES, np.exp(logits) / np.exp(logits).sum(axis=0), strict=True))
    cloud = shares["cloud"] + shares["thin"]
    with rasterio.open(found.files["class_scores"]) as file:
        bands = dict(zip(file.descriptions, file.read() / 250, strict=True))
    wanted = {"P(clear)": shares["water"], "P(cloud)": shares["cloud"], "P(thin cloud)": shares["thin"],
              "P(cloud shadow)": shares["shadow"]}  # fmt: skip
    assert list(bands) == list(wanted)
    assert all(np.abs(bands[name] - wanted[name]).max() < 0.02 for name in wanted)  # P(cloud) is a curve of a few knots
    codes = np.where(
        cloud >= 0.5,
        np.where(shares["thin"] > shares["cloud"], 2, 1),
        np.where(shares["shadow"] > shares["water"], 5, 0),
    )
    sure = np.abs(cloud - 0.5) > 1e-4
    assert (rasterio.open(found.mask_path).read(1) == codes)[sure].all()
    with pytest.raises(ModelError, match="cannot detect snow: it detects cloud, thin, shadow"):
        detect(scene, tmp_path / "snow", DetectOptions(model=model, classes="snow"))


def test_class_numbers_have_bands_too(tmp_path: Path) -> None:
    nodes = [helper.make_node("ArgMax", ["x"], ["n"], axis=1), helper.make_node("Cast", ["n"], ["y"], to=FLOAT)]
    model = card(save(tmp_path / "m.onnx", nodes, [], (1, 1, SIDE, SIDE)), output="classes", threshold=None,
                 classes=CLASSES)  # fmt: skip
    scorer = load_scorer(model)
    data = np.random.default_rng(3).uniform(0, 1, (4, SIDE, SIDE)).astype(np.float32)
    score, found = scorer.score_classes(batch(data))
    numbers = data.argmax(axis=0)[32:-32, 32:-32]
    assert set(found) == {"cloud", "shadow", "thin"}
    assert all((found[name][0] == (numbers == CLASSES.index(name))).all() for name in found)
    assert ((score[0] == 1) == np.isin(numbers, [1, 3])).all()


@pytest.mark.parametrize("side", [96, 160])
def test_tiles_leave_no_seam_and_do_not_depend_on_threads(side: int, tmp_path: Path) -> None:
    model = blur(tmp_path / "m.onnx")
    data = np.random.default_rng(1).integers(500, 4500, (4, side, side + 30)).astype(np.uint16)
    scene = write_scene(tmp_path / "scene.tif", data=data)
    with open_scene(scene) as opened:
        whole = opened.read(Window(0, 0, side, side + 30), BANDS).data
    padded = np.pad(whole, [(0, 0), (32, 32), (32, 32)], mode="reflect")
    masks = [detect(scene, tmp_path / str(n), DetectOptions(model=model, threads=n)).mask_path for n in (1, 2)]
    found = [rasterio.open(path).read(1) for path in masks]
    wanted = expected(padded)
    sure = np.abs(wanted - 0.25) > 1e-5
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0][sure], (wanted >= 0.25)[sure].astype(np.uint8))


def test_the_exported_default_gives_the_default_s_mask(sample: Path, tmp_path: Path) -> None:
    model = export_model("default", tmp_path / "own.onnx", BANDS, side=576)  # blocks of 8 patches and the halo
    real = Path(__file__).parents[2] / "sample_data" / "scene.tif"
    # the file takes whole blocks alone: windows at the end of a scene see the mirror image that a block is filled with;
    # of the synthetic scene that is a nodata edge
    for scene, alike in ((real, {"mask": 0.999, "score": 0.99}), (sample, {"mask": 0.97, "score": 0.8})):
        ours, theirs = (
            detect(
                scene,
                tmp_path / scene.parent.name / name,
                DetectOptions(model=choice, precision="fp32", score=True, quicklook=True),
            )
            for name, choice in (("ours", "default"), ("theirs", model))
        )
        for key, step in (("mask", 0), ("score", 5)):
            first, second = (rasterio.open(one.files[key]).read(1).astype(int) for one in (ours, theirs))
            assert (np.abs(first - second) <= step).mean() >= alike[key]
        assert abs(ours.cloud_cover - theirs.cloud_cover) < (0.05 if scene == real else 3)
        assert theirs.polygon_count == pytest.approx(ours.polygon_count, rel=0.05 if scene == real else 0.1)
        assert theirs.files["quicklook"].exists()


def test_lazy_arrays_batch_and_the_list_of_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    xarray, dask = pytest.importorskip("xarray"), pytest.importorskip("dask.array")
    pytest.importorskip("distributed")
    (tmp_path / "models").mkdir()
    blur(tmp_path / "models" / "mine.onnx")
    scene = write_scene(tmp_path / "scene.tif", shape=(256, 256))
    monkeypatch.setenv("GEOCLOUD_MODELS", str(tmp_path / "models"))
    listed = run_cli("models", "list", "--json")
    assert "mine" in {one["name"] for one in json.loads(listed.stdout)["models"]}
    done = run_program("batch", scene, "--model", "mine", "--out", tmp_path / "out", "--workers", 1)
    assert done.returncode == 0, done.stderr
    (made,) = (tmp_path / "out").rglob("scene_cloudmask.tif")
    with rasterio.open(scene) as file:
        pixels = file.read()
    array = xarray.DataArray(dask.from_array(pixels, chunks=(4, 128, 128)), dims=("band", "y", "x"))
    lazy = mask(array, bands=BANDS, scale=1e-4, model=tmp_path / "models" / "mine.onnx")
    assert np.array_equal(np.asarray(lazy), rasterio.open(made).read(1))


def test_a_threshold_is_stored_and_used(tmp_path: Path) -> None:
    model = blur(tmp_path / "m.onnx", description='says "no"')
    write_onnx_card(with_threshold(model, 0.125), model)
    assert load_scorer(model).card.calibration.threshold == 0.125
    assert read_onnx_card(model).description == 'says "no"'


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"output": "probability", "threshold": None}, "gives 0.* to 9, but its card says probabilities: is output"),
        ({"output": "classes", "threshold": None, "classes": ["sea", "cloud"]}, "its card names the classes 0 to 1"),
    ],
)
def test_values_that_the_card_does_not_mean_are_refused(
    values: dict, sentence: str, tile: np.ndarray, tmp_path: Path
) -> None:
    nodes = [helper.make_node("ReduceMax", ["x"], ["m"], axes=[1]), helper.make_node("Mul", ["m", "nine"], ["y"])]
    path = card(save(tmp_path / "m.onnx", nodes, [constant("nine", [9.0])], (1, 1, SIDE, SIDE)), **values)
    tile[:, 64, 64] = 1
    with pytest.raises(ModelError, match=sentence):
        load_scorer(path).score(batch(tile))


def test_what_fails_as_it_runs_is_one_sentence(tile: np.ndarray, tmp_path: Path) -> None:
    nodes = [helper.make_node("Gather", ["x", "where"], ["y"], axis=1)]
    path = bomb(tmp_path / "m.onnx", nodes, [constant("where", [99], "int64")])
    with pytest.raises(ModelError, match=r"model m fails on this scene .*out of data bounds") as caught:
        load_scorer(path).score(batch(tile))
    assert "\n" not in str(caught.value)


def spoil(graph: Any) -> None:
    """Weights that are no numbers."""
    graph.initializer[0].raw_data = b"\xff" * len(graph.initializer[0].raw_data)


def test_values_that_are_no_numbers_are_refused(tile: np.ndarray, tmp_path: Path) -> None:
    scorer = load_scorer(edited(tmp_path / "m.onnx", spoil))
    with pytest.raises(ModelError, match="not finite"):
        scorer.score(batch(tile))


def bomb(path: Path, nodes: list, weights: list) -> Path:
    return card(save(path, nodes, weights, (1, 1, SIDE, SIDE)))


def external(path: Path) -> Path:
    blur(path)
    proto = onnx.load(str(path))
    onnx.external_data_helper.set_external_data(proto.graph.initializer[0], "../../../etc/passwd")
    proto.graph.initializer[0].ClearField("raw_data")
    path.write_bytes(proto.SerializeToString())
    return path


def sparse(path: Path) -> Path:
    values = constant("w", [1.0])
    dense = helper.make_sparse_tensor(values, constant("at", [0], "int64"), [1 << 40])
    return card(save(path, [helper.make_node("Identity", ["x"], ["y"])], [], (1, 4, SIDE, SIDE), sparse=[dense]))


def changed(path: Path, change: Any) -> Path:
    """A sound file with something changed in it."""
    blur(path)
    proto = onnx.load(str(path))
    change(proto)
    path.write_bytes(proto.SerializeToString())
    return path


def edited(path: Path, change: Any) -> Path:
    """The same, in its graph."""
    return changed(path, lambda proto: change(proto.graph))


def many_at_once(path: Path) -> Path:
    """Arrays that are each of a size allowed, and all needed at the end."""
    parts = [helper.make_node("Add", ["x", f"k{n}"], [f"a{n}"]) for n in range(9)]
    parts += [helper.make_node("Tile", [f"a{n}", "n"], [f"t{n}"]) for n in range(9)]
    weights = [constant(f"k{n}", [n]) for n in range(9)] + [constant("n", [1, 1, 40, 40], "int64")]
    return bomb(path, [*parts, helper.make_node("Sum", [f"t{n}" for n in range(9)], ["y"])], weights)


def chain(*nodes: dict) -> list:
    """Nodes one behind the other from x, and the largest of all bands of the last as y."""
    names = ["x", *(f"v{number}" for number in range(len(nodes)))]
    made = [
        helper.make_node(node["kind"], [given, *node.get("more", ())], [name], **node.get("values", {}))
        for node, given, name in zip(nodes, names, names[1:], strict=False)
    ]
    return [*made, helper.make_node("ReduceMax", [names[-1]], ["y"], axes=[1])]


POOL = {"kind": "AveragePool", "values": {"kernel_shape": [127, 127], "pads": [63] * 4}}
AXES = {name: constant(name, np.arange(256).reshape([256 if name == axis else 1 for axis in "abcd"]), "int64")
        for name in "abcd"}  # fmt: skip
HOSTILE = {
    "windows that keep a core for ever": (
        lambda path: bomb(path, chain(*[POOL] * 500), []), "multiplications for one tile, at AveragePool"),
    "neighbours without end": (
        lambda path: bomb(path, chain({"kind": "LRN", "values": {"size": 10_000_001}}), []),
        "multiplications for one tile, at LRN"),
    "a product of everything with everything": (
        lambda path: bomb(path, [helper.make_node("Einsum", ["x"] * 3, ["y"], equation="abcd,aefg,ahij->acdb")], []),
        "multiplications for one tile, at Einsum"),
    "products of large matrices": (
        lambda path: bomb(
            path,
            [helper.make_node("ConstantOfShape", ["s"], ["m0"]),
             *(helper.make_node("MatMul", [f"m{n}", "m0"], [f"m{n + 1}"]) for n in range(9)),
             helper.make_node("ReduceMax", ["m9"], ["m"], keepdims=0), helper.make_node("Add", ["x", "m"], ["y"])],
            [constant("s", [11000, 11000], "int64")],
        ),
        "multiplications for one tile|values at once",
    ),
    "sizes of all sizes": (
        lambda path: bomb(
            path,
            [helper.make_node("Max", ["a", "b", "c", "d"], ["m"]), helper.make_node("Cast", ["m"], ["f"], to=FLOAT),
             helper.make_node("ReduceMax", ["f"], ["g"], keepdims=0), helper.make_node("Add", ["x", "g"], ["y"])],
            list(AXES.values()),
        ),
        "values at once by its Max",
    ),
    "trees that go in circles": (
        lambda path: card(
            save(path, [helper.make_node("Normalizer", ["x"], ["y"], domain="ai.onnx.ml")], [], (1, 1, SIDE, SIDE),
                 opsets=[helper.make_opsetid("ai.onnx.ml", 3)])
        ),
        "operators of 'ai.onnx.ml'",
    ),
    "boxes as large as they like": (
        lambda path: bomb(path, [helper.make_node("RoiAlign", ["x", "r", "b"], ["y"], sampling_ratio=1 << 20)],
                          [constant("r", [[0, 0, 1, 1]]), constant("b", [0], "int64")]),
        "takes a time that depends on its pixels",
    ),
    "values dropped by chance": (
        lambda path: bomb(path, [helper.make_node("Dropout", ["x", "r", "t"], ["y"])],
                          [constant("r", 0.5), constant("t", True, "bool")]),
        "drops values as in training",
    ),
    "no version of its operators": (
        lambda path: changed(path, lambda proto: proto.ClearField("opset_import")), "no valid network at Conv"),
    "an array of 70000 axes": (
        lambda path: edited(
            path, lambda graph: graph.initializer.add(name="v", data_type=1, dims=[1] * 70000, raw_data=b"1234")),
        "no valid network at its weights v"),
    "a graph that bites its tail": (
        lambda path: bomb(path, [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Neg", ["a"], ["b"]),
                                 helper.make_node("Identity", ["b"], ["y"])], []),
        "no valid network at Add",
    ),
    "weights of an unknown type": (
        lambda path: edited(path, lambda graph: graph.initializer.add(name="v", data_type=999, raw_data=b"1")),
        "no valid network at its weights v"),
    "half a weight": (
        lambda path: edited(path, lambda graph: graph.initializer.add(name="v", data_type=1, raw_data=b"12")),
        "no valid network at its weights v"),
    "whole numbers for reflectance": (
        lambda path: edited(path, lambda graph: setattr(graph.input[0].type.tensor_type, "elem_type", 7)),
        "does not take tiles of float32"),
    "texts for scores": (
        lambda path: bomb(path, [helper.make_node("Cast", ["x"], ["y"], to=8)], []), "gives texts or complex numbers"),
    "many arrays at once": (many_at_once, "at most 536870912 are made"),
    "a name with line ends": (
        lambda path: edited(path, lambda graph: graph.output.add(name="a\n\x1b[31mb")), r"outputs y, a\?\?\[31mb;"),
    "an operator with line ends": (
        lambda path: bomb(path, [helper.make_node("Ex\nplode", ["x"], ["y"])], []), r"no valid network at Ex\?plode"),
    "weights in another file": (external, "keeps weights in another file"),
    "operators of others": (
        lambda path: card(
            save(path, [helper.make_node("Run", ["x"], ["y"], domain="evil")], [], (1, 1, SIDE, SIDE),
                 opsets=[helper.make_opsetid("evil", 1)])
        ),
        "operators of 'evil'",
    ),
    "operators that there are not": (
        lambda path: bomb(path, [helper.make_node("Explode", ["x"], ["y"])], []), "no valid network at Explode"),
    "a size bomb of few bytes": (
        lambda path: bomb(path, [helper.make_node("ConstantOfShape", ["s"], ["y"])],
                          [constant("s", [1, 1, 1 << 20, 1 << 20], "int64")]),
        "values at once by its ConstantOfShape",
    ),
    "a bomb that grows by tiles": (
        lambda path: bomb(path, [helper.make_node("Tile", ["x", "n"], ["y"])],
                          [constant("n", [1, 1, 4096, 4096], "int64")]),
        "values at once by its Tile",
    ),
    "many constants": (
        lambda path: bomb(
            path,
            [helper.make_node("ConstantOfShape", ["s"], [f"c{n}"]) for n in range(40)]
            + [helper.make_node("Identity", ["x"], ["y"])],
            [constant("s", [1 << 12, 1 << 12], "int64")],
        ),
        "values at once",
    ),
    "a size that the pixels decide": (
        lambda path: bomb(
            path,
            [helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0), helper.make_node("Cast", ["m"], ["i"], to=7),
             helper.make_node("Reshape", ["i", "one"], ["s"]), helper.make_node("ConstantOfShape", ["s"], ["y"])],
            [constant("one", [1], "int64")],
        ),
        "does not tell before it runs how large",
    ),
    "a loop": (lambda path: bomb(path, [helper.make_node("Loop", ["", ""], ["y"])], []), "branches or loops"),
    "dice": (
        lambda path: bomb(path, [helper.make_node("RandomNormalLike", ["x"], ["y"])], []), "other scores in each run"),
    "sparse weights": (sparse, "sparse weights"),
    "a shape without values": (
        lambda path: bomb(path, [helper.make_node("Add", ["x", "w"], ["y"])],
                          [onnx.TensorProto(name="w", data_type=1, dims=[1 << 30])]),
        "without its values",
    ),
    "five bands": (lambda path: card(
        save(path, [helper.make_node("Identity", ["x"], ["y"])], [], (1, 5, SIDE, SIDE), (1, 5, SIDE, SIDE))),
        "its card says"),
    "planes that its card does not name": (
        lambda path: card(save(path, [helper.make_node("Identity", ["x"], ["y"])], [], (1, 4, SIDE, SIDE))),
        "by its card it is one plane"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_one_sentence_and_never_run(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    import onnxruntime

    make, sentence = HOSTILE[name]
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, **__: pytest.fail("it was run"))
    with pytest.raises(ModelError, match=sentence) as caught:
        load_scorer(make(tmp_path / "m.onnx"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no model at all", bytes(range(256)) * 50])
def test_what_is_no_onnx_file(content: bytes, tmp_path: Path) -> None:
    path = card(tmp_path / "m.onnx")
    path.write_bytes(content)
    with pytest.raises(ModelError, match="no ONNX file"):
        load_scorer(path)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"patch": 10**9}, "patch must be 64 to 1024"),
        ({"patch": "big"}, "patch must be a whole number"),
        ({"patch": None}, "patch is missing"),
        ({"halo": 60}, "leaves less than 64 pixels"),
        ({"halo": -1}, "halo -1"),
        ({"bands": ["blue"] * 70}, "1 to 64 different names"),
        ({"bands": []}, "1 to 64 different names"),
        ({"bands": "blue"}, "bands must be a list of names"),
        ({"output": "magic"}, "output 'magic' is unknown; there are score, probability, logits, classes"),
        ({"outptu": "score"}, "did you mean output"),
        ({"threshold": None}, "threshold is missing"),
        ({"scale": 0}, "scale must be a number other than 0"),
        ({"mean": [1.0]}, "mean has 1 numbers for 4 bands"),
        ({"std": [0.0] * 4}, "std numbers above 0"),
        ({"output": "logits", "threshold": None, "classes": ["sea", "land"]}, "classes must hold cloud"),
        ({"supervision": "none"}, "supervision must be one of"),
        ({"name": "../../evil"}, "without slashes"),
        ({"name": "a\nb"}, "a name must be one line of 1 to 60 characters"),
        ({"name": ".."}, "a name must be one line of 1 to 60 characters"),
        ({"name": "a\x1b[31mb"}, "name must be a text without control characters"),
        ({"bands": ["b" * 99, "green", "red", "nir"]}, "a name must be one line of 1 to 60 characters"),
        ({"output": ["score"] * 999}, "output .{60} is unknown; there are score"),
        ({"threshold": 10**400}, "threshold must be a number, not 1000"),
        ({"mean": [10**400, 0, 0, 0]}, "mean must be a list of numbers"),
        ({"threshold": float("nan")}, "threshold and curve must be finite"),
        ({"spread": -1.0}, "spread must be a number above 0"),
        ({"spread": 0.0}, "spread must be a number above 0"),
        ({"std": [1e-300] * 4}, "std numbers above 0"),
        ({"scale": 1e-320}, "scale must be a number other than 0"),
        ({"threshold": 1e300}, "threshold must be a number of at most"),
        ({"name": "  "}, "a name must be one line of 1 to 60 characters"),
        ({"resolution": 1e9}, "min_resolution must be 0 to 1000"),
    ],
)
def test_cards_that_make_no_sense_are_one_sentence(values: dict, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=sentence) as caught:
        load_scorer(blur(tmp_path / "m.onnx", **values))
    assert "\n" not in str(caught.value)


def test_cards_of_any_size_or_depth_and_none(tmp_path: Path) -> None:
    path = blur(tmp_path / "m.onnx")
    toml = path.with_suffix(".toml")
    toml.write_bytes(b"\xef\xbb\xbf" + toml.read_bytes())  # as Windows' editor saves it
    assert load_scorer(path).card.name == "m"
    for text, sentence in (("#" * 70_000, "a card has at most"), ("a = " + "[" * 20_000, "is no card of a model")):
        toml.write_text(text)
        with pytest.raises(ModelError, match=sentence):
            load_scorer(path)
    toml.unlink()
    done = run_cli("detect", "scene.tif", "--model", path)
    assert done.returncode == 1
    assert "has no card m.toml beside it" in done.stderr
    assert "Traceback" not in done.stderr
