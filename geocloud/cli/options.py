"""Options that several commands take, and how their texts become values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from geocloud.models.registry import DEFAULT_MODEL, model_names
from geocloud.readers.options import MAX_PIXELS, SceneOptions

SCENE_OPTIONS = ("bands", "scale", "offset", "allow_external", "max_pixels")
F = TypeVar("F", bound=Callable[..., Any])


class BandList(click.ParamType):  # type: ignore[type-arg]
    """`blue=1,green=2,red=3` as a dict of band numbers."""

    name = "bands"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, int]:  # noqa: ANN401
        """Parse; click's own usage error where it is not of that form."""
        if isinstance(value, dict):
            return value
        try:
            pairs = [part.split("=") for part in value.split(",")]
            return {name.strip().lower(): int(number) for name, number in pairs}
        except ValueError:
            self.fail(f"{value!r} is not of the form blue=1,green=2,red=3,nir=4", param, ctx)


class ModelName(click.ParamType):  # type: ignore[type-arg]
    """A name or a folder; the shell's Tab key offers the names."""

    name = "model"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Names of models, else files."""
        names = [name for name in model_names() if name.startswith(incomplete)]
        return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="dir")]


class Threshold(click.ParamType):  # type: ignore[type-arg]
    """A number, or the name of a rule."""

    name = "threshold"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:  # noqa: ANN401, ARG002
        """A float where it reads as one."""
        try:
            return float(value)
        except ValueError:
            return str(value)


model_option = click.option(
    "--model", type=ModelName(), default=DEFAULT_MODEL, show_default=True, help="Name of a model, or a model folder."
)


def scene_options(function: F) -> F:
    """--bands, --scale, --offset, --max-pixels and --allow-external."""
    for option in (
        click.option(
            "--allow-external", is_flag=True, help="Let a local STAC item or VRT name files outside its own folder."
        ),
        click.option("--max-pixels", type=click.IntRange(1), default=MAX_PIXELS, help="Refuse scenes that claim more."),
        click.option("--offset", type=float, help="Reflectance = DN * scale + offset; default: what the scene says."),
        click.option("--scale", type=float, help="Reflectance = DN * scale + offset; default: what the scene says."),
        click.option("--bands", type=BandList(), help="Band numbers, as in blue=1,green=2,red=3,nir=4."),
    ):
        function = option(function)
    return function


def as_scene_options(
    bands: dict[str, int] | None,
    scale: float | None,
    offset: float | None,
    *,
    allow_external: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> SceneOptions:
    """The five options as one value; click's usage error where they make no sense."""
    try:
        return SceneOptions(bands or {}, scale, offset, allow_external, max_pixels)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def take_scene_options(given: dict[str, Any]) -> SceneOptions:
    """The same, taken out of a command's other values."""
    return as_scene_options(**{name: given.pop(name) for name in SCENE_OPTIONS})
