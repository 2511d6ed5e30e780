"""`rio clouds`: `geocloud detect` as a command of rasterio's program `rio`."""

from __future__ import annotations

from typing import Any

import click


class _Detect(click.Command):
    """Imports `geocloud detect` only when it is called, so that `rio` starts quickly."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - as click has it
    ) -> click.Context:
        """The context of the real command."""
        from geocloud.cli.common import bound_heaps
        from geocloud.cli.detect import detect

        bound_heaps()
        return detect.make_context(info_name, args, parent, **extra)


clouds = _Detect("clouds", help="Find the clouds of scenes: mask, polygons, score.")
