"""How much of GDAL's block cache a streamed read needs, so that no stored block is decoded twice."""

from __future__ import annotations

LEAST, MOST = 32 << 20, 320 << 20
SPARE = 24 << 20
"""For what is written meanwhile: GDAL has one cache for all."""


def cache_bytes(file_block: tuple[int, int, int], width: int, rows: int) -> int:
    """Bytes that hold all stored blocks which `rows` rows of a scene `width` pixels wide can touch at once."""
    block_height, block_width, pixel_bytes = file_block
    block_rows = -(-rows // block_height) + 1
    columns = -(-width // block_width) * block_width
    return min(max(block_rows * block_height * columns * pixel_bytes, LEAST), MOST) + SPARE
