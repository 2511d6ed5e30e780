"""Imports point down only, and `import geocloud` is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import geocloud

PACKAGE = Path(geocloud.__file__).parent
SAMPLE = Path(__file__).parent / "synthetic" / "scene.tif"
FLOORS = {
    0: ("errors", "raster", "progress", "version", "calibration", "classes"),
    1: ("geometry", "metrics", "readers", "datasets", "writers", "series"),
    2: ("scorers", "models"),
    3: ("pipeline", "training", "evaluation"),
    4: ("verbs", "lazy"),
    5: ("batch",),
    6: ("cli", "__main__"),
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
ALLOWED_LIBRARIES = {
    0: {"numpy", "affine"},
    1: {"numpy", "affine", "rasterio", "shapely", "geopandas", "pyogrio", "pyproj", "PIL"},
}
OPTIONAL_IN_FUNCTIONS = {
    "contourpy",
    "matplotlib",
    "pyarrow",
    "xarray",
    "rioxarray",
    "planetary_computer",
    "pystac",
    "zarr",
    "defusedxml",
    "pandas",
    "h5py",
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> list[tuple[str, bool]]:
    """(module, inside a function) of every import but those for type checkers alone."""
    found = []

    def visit(node: ast.AST, *, inside: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.extend((alias.name, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", inside))
        for child in ast.iter_child_nodes(node):
            visit(child, inside=inside or isinstance(node, ast.FunctionDef))

    visit(ast.parse(path.read_text(encoding="utf-8")), inside=False)
    return found


def room_of(module: str) -> str:
    return [*module.split("."), "", ""][1]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    assert room in FLOOR_OF, f"{room} is on no floor: name it in FLOORS"
    floor = FLOOR_OF[room]
    for module, inside in imports(path):
        top = module.split(".")[0]
        if top == "geocloud" and room_of(module):
            assert FLOOR_OF[room_of(module)] <= floor, f"{path.name} on floor {floor} imports {module}"
        elif top not in sys.stdlib_module_names and top != "geocloud" and floor in ALLOWED_LIBRARIES:
            optional = inside and top in OPTIONAL_IN_FUNCTIONS
            assert optional or top in ALLOWED_LIBRARIES[floor], f"{path.name} on floor {floor} imports {module}"


def test_no_import_cycles() -> None:
    graph = {}
    for path in modules():
        name = ".".join(("geocloud", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        graph[name] = {module for module, inside in imports(path) if module.startswith("geocloud.") and not inside}
    done: set[str] = set()

    def walk(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for other in graph.get(name, ()):
                walk(other, (*trail, name))
            done.add(name)

    for name in graph:
        walk(name, ())


def test_import_is_light() -> None:
    heavy = "torch geopandas xarray dask matplotlib rasterio"
    code = f"import sys, geocloud; print([m for m in {heavy.split()!r} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_help_imports_neither_torch_nor_rasterio() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from geocloud.cli.main import cli;"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0;"
        "print([m for m in ('torch', 'rasterio', 'geopandas') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_detecting_loads_no_compiler(tmp_path: Path) -> None:
    code = (
        "import sys; from geocloud import detect;"
        f"detect({str(SAMPLE)!r}, {str(tmp_path)!r});"
        "print([m for m in ('torch._dynamo', 'sympy', 'xarray', 'matplotlib') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
