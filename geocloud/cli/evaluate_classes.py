"""`geocloud evaluate-classes`."""

from __future__ import annotations

from pathlib import Path

import click

from geocloud.cli.common import examples
from geocloud.cli.main import Command, shell
from geocloud.cli.options import model_option
from geocloud.cli.reporter import Reporter
from geocloud.verbs.evaluate_classes import evaluate_classes as measure


class TrueCodesType(click.ParamType):  # type: ignore[type-arg]
    """`thin=192;thick=255;cloud=192,255` as a dict of true class -> label codes."""

    name = "truth"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> dict[str, tuple[int, ...]]:
        """Parse the text; click's usage error if it has another form."""
        if isinstance(value, dict):
            return value
        try:
            pairs = [part.split("=") for part in str(value).split(";")]
            return {name.strip(): tuple(int(code) for code in codes.split(",")) for name, codes in pairs}
        except ValueError:
            self.fail(f"{value!r} is not of the form thin=192;thick=255;clear=128", param, ctx)


@click.command(
    cls=Command,
    epilog=examples("geocloud evaluate-classes data/l8biome --truth 'clear=128;thin=192;thick=255;shadow=64'"),
)
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--truth",
    type=TrueCodesType(),
    required=True,
    help="Label codes of each true class, such as 'clear=128;thin=192;thick=255;shadow=64'.",
)
@model_option
@click.option(
    "--tag", default="", metavar="COLUMN", help="Count scenes with a 1 in this column of tags.csv separately."
)
@click.option("--peer", default="", metavar="NAME", help="Another detector to compare with: ukis-csmask.")
@shell(answers=True)
def evaluate_classes(
    reporter: Reporter, data: Path, truth: dict[str, tuple[int, ...]], model: str, tag: str, peer: str
) -> None:
    """Measure a mask's further classes on DATA, a folder with `images` and `labels`, and print Markdown."""
    for table in measure(data, truth, model, tag=tag, peer=peer):
        codes = {
            name: {str(code): int(counts[code]) for code in counts.nonzero()[0]}
            for name, counts in table.counts.items()
        }
        reporter.table([{"name": table.name, "pixels_by_code": codes, **table.figures}], table.markdown())
