"""The integer pixel rectangle in which everything is read, scored and written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A rectangle of whole pixels; row 0 is the scene's first row, column 0 its first column."""

    row: int
    """First row; may be negative for a window that reaches beyond the scene."""
    col: int
    """First column; may be negative."""
    height: int
    """Rows, at least 1."""
    width: int
    """Columns, at least 1."""

    def __post_init__(self) -> None:
        """Refuse empty rectangles: later code trusts that there is a pixel."""
        if self.height < 1 or self.width < 1:
            raise ValueError(f"a window has at least 1x1 pixels, not {self.height}x{self.width}")

    @property
    def stop_row(self) -> int:
        """The row after the last."""
        return self.row + self.height

    @property
    def stop_col(self) -> int:
        """The column after the last."""
        return self.col + self.width

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    def grow(self, pixels: int) -> Window:
        """The window with `pixels` more on each of its four sides."""
        return Window(self.row - pixels, self.col - pixels, self.height + 2 * pixels, self.width + 2 * pixels)

    def clip(self, shape: tuple[int, int]) -> Window:
        """The part inside a scene of (height, width); ValueError where nothing is inside."""
        row, col = max(self.row, 0), max(self.col, 0)
        stop_row, stop_col = min(self.stop_row, shape[0]), min(self.stop_col, shape[1])
        return Window(row, col, stop_row - row, stop_col - col)

    def slices(self, origin: tuple[int, int] = (0, 0)) -> tuple[slice, slice]:
        """Row and column slices into an array whose first pixel is the scene's pixel `origin`."""
        row, col = self.row - origin[0], self.col - origin[1]
        return slice(row, row + self.height), slice(col, col + self.width)
