"""Tiling, halo and stitching on the sample scene, by geocloud's own grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from style import BLOCK_LINE, CLOUD, HALO_LINE, PATCH_LINE, SAMPLE, panels, sample_rgb, save

from geocloud import open_scene
from geocloud.models.registry import load_scorer
from geocloud.pipeline.scoring import score_scene
from geocloud.pipeline.tiling import reflect
from geocloud.raster import PATCH, PatchGrid, Window

BLOCK, HALO = 2, 64
SHAPE = (420, 470)
"""A part of the sample that is no multiple of the patch."""


def frame(axes: Axes, window: Window, colour: str, width: float, **more: object) -> None:
    """A window's outline."""
    corner = window.col - 0.5, window.row - 0.5
    axes.add_patch(Rectangle(corner, window.width, window.height, fill=False, edgecolor=colour, lw=width, **more))


def tiling(path: Path) -> None:
    """Patches, and the blocks they are scored in."""
    grids = PatchGrid(SHAPE), PatchGrid(SHAPE, BLOCK)
    figure, axes = panels(2, 8.4, 4.1, (f"patches of {PATCH} x {PATCH} pixels", f"blocks of {BLOCK} x {BLOCK} patches"))
    for panel, grid, colour in zip(axes, grids, (PATCH_LINE, BLOCK_LINE), strict=True):
        rows, cols = grid.rows * grid.side, grid.cols * grid.side
        shown = sample_rgb()[: SHAPE[0], : SHAPE[1]]
        beyond = shown[np.ix_(reflect(0, rows, SHAPE[0]), reflect(0, cols, SHAPE[1]))]
        faded = 0.35 * beyond + 0.65
        faded[: SHAPE[0], : SHAPE[1]] = shown
        panel.imshow(faded)
        for window in grid:
            frame(panel, window, colour, 0.8)
        frame(panel, Window(0, 0, *SHAPE), "black", 1.6)
        panel.set_xlabel(f"{grid.rows} rows, {grid.cols} columns; pale: reflected, dropped afterwards", fontsize=8)
    save(figure, path)


def halo(path: Path) -> None:
    """A block with its halo inside the scene, and one whose halo hangs over the edge."""
    picture = sample_rgb()[: SHAPE[0], : SHAPE[1]]
    grid = PatchGrid(SHAPE, BLOCK)
    figure, axes = panels(3, 9, 3.4, ("two blocks and their halos", "what the model sees", "what is kept"))
    axes[0].imshow(picture)
    for window in (grid.window(2, 2), grid.window(0, 1)):
        frame(axes[0], window, BLOCK_LINE, 1.6)
        frame(axes[0], window.grow(HALO), HALO_LINE, 1.4, linestyle="--")
    axes[0].set_xlim(-HALO - 6, SHAPE[1])
    axes[0].set_ylim(SHAPE[0], -HALO - 6)
    area = grid.window(0, 1).grow(HALO)
    seen = picture[
        np.ix_(reflect(area.row, area.stop_row, SHAPE[0]), reflect(area.col, area.stop_col, SHAPE[1]))
    ]  # as geocloud.pipeline.tiling cuts it
    axes[1].imshow(seen)
    frame(axes[1], Window(HALO, HALO, grid.side, grid.side), BLOCK_LINE, 1.6)
    axes[1].set_xlabel("above the scene: reflection", fontsize=8)
    axes[2].imshow(seen[HALO : HALO + grid.side, HALO : HALO + grid.side])
    axes[2].set_xlabel("the block alone", fontsize=8)
    save(figure, path)


def stitching(path: Path) -> None:
    """Rows of blocks that are final, the one in work, and those to come."""
    picture = sample_rgb()[: SHAPE[0], : SHAPE[1]]
    cloud = clouds()[: SHAPE[0], : SHAPE[1]]
    grid = PatchGrid(SHAPE, BLOCK)
    figure, (panel,) = panels(1, 5.6, 4.6)
    shown = picture * 0.45 + 0.5
    final, work = 2 * grid.side, (2 * grid.side, 3 * grid.side)
    for rows, cols in ((slice(0, final), slice(None)), (slice(*work), slice(0, 2 * grid.side))):
        shown[rows, cols] = np.where(cloud[rows, cols, None], (0, 0.68, 0.94), picture[rows, cols])
    panel.imshow(shown)
    for window in grid:
        frame(panel, window.clip(SHAPE), BLOCK_LINE, 0.7)
    frame(panel, grid.window(2, 2).clip(SHAPE), HALO_LINE, 2)
    panel.axhline(final - 0.5, color="black", lw=2)
    for y, text in ((final / 2, "final:\nwritten"), (final + 64, "in work"), (SHAPE[0] - 18, "to come")):
        panel.text(SHAPE[1] + 8, y, text, va="center", fontsize=9)
    panel.text(0, -10, "cloud", color=CLOUD, fontsize=9, weight="bold")
    save(figure, path)


def clouds() -> NDArray[np.bool_]:
    """(512, 512) True where the default model sees cloud in the sample scene."""
    scorer = load_scorer()
    with open_scene(SAMPLE / "scene.tif") as reader:
        score, _ = score_scene(reader, scorer)
    return np.asarray(score >= scorer.card.calibration.score_threshold)


PICTURES = (("tiling.png", tiling), ("halo.png", halo), ("stitching.png", stitching))
