"""The grid of patches and of blocks that a scene is cut into: pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from geocloud.window import Window

PATCH = 64
"""Side of a patch in pixels, the paper's."""


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """Blocks of `block` x `block` whole patches, anchored at the scene's first pixel, row-major.

    The last block of a row or column is cut short to the patches that hold any of the scene. The last patch may reach
    beyond it: the tiler fills that part by reflection and the stitcher drops it, so every pixel of the scene lies in
    exactly one block.
    """

    shape: tuple[int, int]
    """(height, width) of the scene in pixels."""
    block: int = 1
    """Patches along each side of a block; 1 makes a block one patch."""

    def __post_init__(self) -> None:
        """Validate once; later code trusts it."""
        if min(self.shape) < 1 or self.block < 1:
            raise ValueError(f"a grid needs a scene and a block of at least 1, not {self.shape} and {self.block}")

    @property
    def side(self) -> int:
        """Side of a block in pixels."""
        return self.block * PATCH

    @property
    def rows(self) -> int:
        """Number of block rows."""
        return -(-self.shape[0] // self.side)

    @property
    def cols(self) -> int:
        """Number of blocks in a row."""
        return -(-self.shape[1] // self.side)

    def __len__(self) -> int:
        """Number of blocks."""
        return self.rows * self.cols

    def window(self, row: int, col: int) -> Window:
        """The whole patches of block (row, col): a square, but at the scene's last rows and columns."""
        row, col = row * self.side, col * self.side
        height, width = (-(-size // PATCH) * PATCH for size in self.shape)
        return Window(row, col, min(self.side, height - row), min(self.side, width - col))

    def __iter__(self) -> Iterator[Window]:
        """All blocks, row-major."""
        return (self.window(row, col) for row in range(self.rows) for col in range(self.cols))

    def segments(self, max_pixels: int, block_rows: range | None = None) -> Iterator[Window]:
        """Runs of whole blocks within one block row, row-major, clipped to the scene; of all block rows or of some.

        Each run holds at most `max_pixels` pixels but at least one block: what is in memory at once then depends
        neither on the scene's height nor on its width.
        """
        run = max(1, max_pixels // self.side**2)
        for row in range(self.rows) if block_rows is None else block_rows:
            for col in range(0, self.cols, run):
                window = Window(row * self.side, col * self.side, self.side, run * self.side)
                yield window.clip(self.shape)
