"""Search: find the scenes of an area and time in a STAC API, and write them as a list for `batch`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely

from geocloud.errors import InputError, MissingExtraError, UsageError
from geocloud.pipeline.places import area_files
from geocloud.progress import Progress, no_progress
from geocloud.readers.area import AreaSource, box_of, read_area
from geocloud.readers.dates import day_in
from geocloud.readers.files.paths import is_remote
from geocloud.version import __version__
from geocloud.writers.staging import check_outputs, staged, write_errors

if TYPE_CHECKING:
    import pystac_client

ATTEMPTS, BACKOFF_SECONDS, TIMEOUT_SECONDS = 5, 1.0, 30
"""Retries, backoff and timeout of requests that fail with 429 or a server error; Retry-After headers are obeyed."""
PAGE = 100
"""Number of items per request."""
MAX_VERTICES = 500
"""Maximum vertices of an area that is sent to a server. Of a finer one the hull is sent, and the result is filtered."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What to search for."""

    collections: tuple[str, ...]
    """Ids of the API's collections, such as sentinel-2-l2a."""
    datetime: str | None = None
    """A time, day, month or year, or two of them separated by `/`, one of which may be `..`; None: any time."""
    aoi: AreaSource | None = None
    """The area, as in `detect`; None: anywhere."""
    max_cloud: float | None = None
    """Maximum cloud cover of an item in percent; items without cloud cover are then left out. None: any."""
    limit: int = 100
    """Maximum number of scenes."""
    overwrite: bool = False
    """Replace an existing list; otherwise it is an error."""

    def __post_init__(self) -> None:
        """UsageError for values that are not allowed."""
        if not self.collections:
            raise UsageError("no collection is given; name one, as sentinel-2-l2a, or several")
        if self.limit < 1:
            raise UsageError(f"limit {self.limit} must be 1 or more")
        if self.max_cloud is not None and not 0 <= self.max_cloud <= 100:
            raise UsageError(f"max_cloud {self.max_cloud} must be 0 to 100 percent")


@dataclass(frozen=True, slots=True)
class FoundScene:
    """An item that a search found."""

    url: str
    """URL of the item, which `detect` and `batch` take as a scene."""
    name: str
    collection: str
    date: str
    """YYYY-MM-DD; empty if the item has no date."""
    cloud_percent: float | None
    """Cloud cover that the item states, in percent; None if it states none."""


def search(
    api: str,
    out: str | os.PathLike[str] | None,
    options: SearchOptions,
    *,
    progress: Progress = no_progress,
) -> tuple[FoundScene, ...]:
    """Find scenes in a STAC API, sorted by time; no pixels are read.

    Args:
        api: URL of the API, such as https://earth-search.aws.element84.com/v1.
        out: text file to write for `batch --list`, with one item URL per line; None: no file.
        options: what to search for.
        progress: called after each scene found; may raise Cancelled.

    Raises:
        InputError: `api` is not a STAC API, does not answer, or does not have one of the collections.
        UsageError: the time is not valid, or `out` exists or is the file of the area.
        MissingExtraError: pystac-client is not installed.
    """
    target = None if out is None else Path(out)
    if target is not None:
        check_outputs([target], area_files(options.aoi), overwrite=options.overwrite)
    found = []
    for scene in _matching(api, options):
        found.append(scene)
        progress(len(found), options.limit, "search")
        if len(found) == options.limit:
            break
    found.sort(key=lambda scene: (scene.date, scene.name))
    if target is not None and found:
        with staged(target.stem) as staging, write_errors(target):
            lines = [f"# {line}\n" for line in (f"{api}, geocloud {__version__}", *table_of(found).splitlines())]
            text = "".join([*lines, *(f"{scene.url}\n" for scene in found)])
            staging.path(target).write_text(text, encoding="utf-8")
            staging.commit(last=target, overwrite=options.overwrite)
    return tuple(found)


def table_of(found: list[FoundScene] | tuple[FoundScene, ...]) -> str:
    """The scenes as a table for people, one per line."""
    rows = [
        (
            scene.date or "-",
            "-" if scene.cloud_percent is None else f"{scene.cloud_percent:.1f}",
            scene.name if scene.name.isprintable() else ascii(scene.name),
        )
        for scene in found
    ]
    return "\n".join(f"{day:<10}  {cloud:>7}  {name}" for day, cloud, name in (("date", "% cloud", "scene"), *rows))


def _matching(api: str, options: SearchOptions) -> Iterator[FoundScene]:
    """Items that match, in the order of the server, page by page."""
    client = _connect(api)
    shape = None if options.aoi is None else shapely.union_all(read_area(options.aoi).to_crs(4326).geometry.to_numpy())
    seen: set[str] = set()
    try:
        results = client.search(
            collections=list(options.collections),
            datetime=options.datetime,
            limit=min(PAGE, options.limit),
            **_area_parameters(shape, options),
            **_cloud_parameters(client, options),
        )
    except Exception as error:
        reason = _reason(error)
        raise UsageError(
            f"this is no search ({reason}); give --datetime as 2023-08 or 2023-08-01/2023-08-31"
        ) from error
    for item in _items(api, results):
        scene = _scene(api, item)
        outside = shape is not None and not _intersects(api, item, shape)
        too_cloudy = options.max_cloud is not None and not _at_most(scene.cloud_percent, options.max_cloud)
        if scene.url not in seen and not outside and not too_cloudy:
            seen.add(scene.url)
            yield scene
    if not seen:
        _check_collections(api, client, options.collections)


def _intersects(api: str, item: dict[str, Any], shape: Any) -> bool:  # noqa: ANN401 - shapely is untyped
    """Whether an item's outline intersects the area; True without an outline, InputError for an invalid one."""
    try:
        outline = shapely.make_valid(shapely.geometry.shape(item["geometry"])) if item.get("geometry") else shape
        return bool(shapely.intersects(shape, outline))
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, shapely.errors.ShapelyError) as error:
        raise InputError(f"{api} gives the item {item.get('id')} with an outline that is none ({error})") from error


def _at_most(cloud: float | None, limit: float) -> bool:
    """Whether a cloud cover is known and at most `limit`."""
    return cloud is not None and cloud <= limit


def _connect(api: str) -> pystac_client.Client:
    """A client of the API that repeats failed requests and names geocloud in its headers."""
    try:
        import pystac_client
        from pystac_client.stac_api_io import StacApiIO
        from urllib3.util.retry import Retry
    except ImportError as error:
        raise MissingExtraError("pystac-client", "search", "a STAC search") from error
    if not api.lower().startswith(("http://", "https://")):
        raise UsageError(f"{api} is no URL of a STAC API; give one, as https://earth-search.aws.element84.com/v1")
    retry = Retry(
        total=ATTEMPTS, backoff_factor=BACKOFF_SECONDS, status_forcelist=(408, 425, 429, 500, 502, 503, 504),
        allowed_methods=None,
    )  # fmt: skip
    stac_io = StacApiIO(headers={"User-Agent": f"geocloud/{__version__}"}, max_retries=retry, timeout=TIMEOUT_SECONDS)
    try:
        client = pystac_client.Client.open(api, stac_io=stac_io)
    except Exception as error:
        raise InputError(
            f"{api} is no STAC API that answers ({_reason(error)}); give the URL of its landing page, as "
            "https://earth-search.aws.element84.com/v1"
        ) from error
    if not client.conforms_to("ITEM_SEARCH"):
        raise InputError(f"{api} is a STAC catalog without a search; give an API, or it to batch --stac-collection")
    return client


def _area_parameters(shape: Any, options: SearchOptions) -> dict[str, Any]:  # noqa: ANN401 - shapely is untyped
    """Parameters of the request for the area."""
    if options.aoi is None:
        return {}
    box = box_of(options.aoi)
    if box is not None:
        return {"bbox": list(box)}
    simplified = (
        shape if shapely.get_num_coordinates(shape) <= MAX_VERTICES else shapely.convex_hull(shape).simplify(0.001)
    )
    return {"intersects": shapely.geometry.mapping(simplified)}


def _cloud_parameters(client: pystac_client.Client, options: SearchOptions) -> dict[str, Any]:
    """Parameters of the request for the cloud cover, if the server supports them; they save pages."""
    if options.max_cloud is None or not client.conforms_to("QUERY"):
        return {}
    return {"query": {"eo:cloud_cover": {"lte": options.max_cloud}}}


def _items(api: str, results: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - an ItemSearch
    """The items as dictionaries; InputError if the server fails."""
    try:
        yield from results.items_as_dicts()
    except GeneratorExit:
        raise
    except Exception as error:
        reason = _reason(error)
        raise InputError(f"{api} gave up on the search ({reason}); run it again, or make it narrower") from error


def _scene(api: str, item: dict[str, Any]) -> FoundScene:
    """The scene of an item; InputError if it is not an item, or has no URL of its own."""
    try:
        url = next((str(link["href"]) for link in item.get("links") or () if link.get("rel") == "self"), "")
        properties = item.get("properties") or {}
        cloud = properties.get("eo:cloud_cover")
        taken = properties.get("datetime") or properties.get("start_datetime") or ""
    except (TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{api} gives an item that is none ({error})") from error
    if not url:
        raise InputError(f"{api} gives the item {item.get('id')} without a link to itself, so it cannot be read later")
    if is_remote(url) and not url.startswith("/vsi") and url.isprintable():
        return FoundScene(
            url, str(item.get("id", "")), str(item.get("collection", "")), day_in(str(taken)),
            float(cloud) if isinstance(cloud, int | float) else None,
        )  # fmt: skip
    raise InputError(f"{api} gives the item {item.get('id')} the address {url!a}, which is none on a network")


def _check_collections(api: str, client: pystac_client.Client, names: tuple[str, ...]) -> None:
    """InputError for a collection that the API does not have, which otherwise gives an empty answer."""
    try:
        known = [collection.id for collection in client.get_collections()]
    except Exception:  # noqa: BLE001 - the API cannot list them
        return
    missing = next((name for name in names if name not in known), None)
    if missing is not None:
        raise InputError(f"{api} has no collection {missing}, but {', '.join(sorted(known)[:12])}; give one of these")


def _reason(error: Exception) -> str:
    """First line of an error, at most 200 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
