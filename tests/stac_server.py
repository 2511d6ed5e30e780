"""A STAC API on this machine: stac-fastapi over items held in memory, with pages and the query extension."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attr
import shapely
import uvicorn
from stac_fastapi.api.app import StacApi
from stac_fastapi.api.models import create_get_request_model, create_post_request_model
from stac_fastapi.extensions.pagination import TokenPaginationExtension
from stac_fastapi.extensions.query import QueryExtension
from stac_fastapi.types.config import ApiSettings
from stac_fastapi.types.core import BaseCoreClient
from stac_fastapi.types.errors import NotFoundError
from starlette.responses import JSONResponse

COMPARE = {"lte": lambda a, b: a <= b, "lt": lambda a, b: a < b, "eq": lambda a, b: a == b}


class Served:
    """What the server holds, how it misbehaves, and how often it was asked to search."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        self.items = items
        self.url = ""
        self.searches = 0
        self.busy = 0
        """Searches that are answered with 429 first."""


@attr.s
class Client(BaseCoreClient):
    """The back end."""

    served: Served = attr.ib(default=None)

    def all_collections(self, **kwargs: Any) -> Any:
        names = sorted({item["collection"] for item in self.served.items})
        return {"collections": [self.get_collection(name) for name in names], "links": []}

    def get_collection(self, collection_id: str, **kwargs: Any) -> Any:
        if collection_id not in {item["collection"] for item in self.served.items}:
            raise NotFoundError(collection_id)
        extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}
        return {
            "type": "Collection", "stac_version": "1.0.0", "id": collection_id, "description": "scenes",
            "license": "other", "extent": extent, "links": [],
        }  # fmt: skip

    def get_item(self, item_id: str, collection_id: str, **kwargs: Any) -> Any:
        for item in self.served.items:
            if (item["id"], item["collection"]) == (item_id, collection_id):
                return self._linked(item)
        raise NotFoundError(item_id)

    def item_collection(self, collection_id: str, limit: int = 10, token: str | None = None, **kwargs: Any) -> Any:
        return self._page([item for item in self.served.items if item["collection"] == collection_id], limit, token)

    def get_search(self, **kwargs: Any) -> Any:
        raise NotImplementedError

    def post_search(self, search_request: Any, **kwargs: Any) -> Any:
        self.served.searches += 1
        if self.served.busy:
            self.served.busy -= 1
            return JSONResponse({"detail": "slow down"}, 429, {"Retry-After": "0"})
        found = [item for item in self.served.items if self._fits(item, search_request)]
        return self._page(found, search_request.limit, search_request.token)

    def _fits(self, item: dict[str, Any], wanted: Any) -> bool:
        if wanted.collections and item["collection"] not in wanted.collections:
            return False
        area = shapely.box(*wanted.bbox) if wanted.bbox else None
        if wanted.intersects is not None:
            area = shapely.geometry.shape(wanted.intersects.model_dump())
        if area is not None and not shapely.intersects(area, shapely.geometry.shape(item["geometry"])):
            return False
        taken = item["properties"]["datetime"]
        if wanted.start_date and taken < wanted.start_date.strftime("%Y-%m-%dT%H:%M:%S"):
            return False
        if wanted.end_date and taken > wanted.end_date.strftime("%Y-%m-%dT%H:%M:%SZ"):
            return False
        for name, rules in (wanted.query or {}).items():
            value = item["properties"].get(name)
            if value is None or not all(COMPARE[rule](value, limit) for rule, limit in rules.items()):
                return False
        return True

    def _page(self, items: list[dict[str, Any]], limit: int, token: str | None) -> Any:
        start = int(token or 0)
        links = []
        if start + limit < len(items):
            following = {"rel": "next", "href": f"{self.served.url}/search", "method": "POST", "merge": True}
            links = [{**following, "body": {"token": str(start + limit)}}]
        features = [self._linked(item) for item in items[start : start + limit]]
        return {"type": "FeatureCollection", "features": features, "links": links}

    def _linked(self, item: dict[str, Any]) -> dict[str, Any]:
        href = f"{self.served.url}/collections/{item['collection']}/items/{item['id']}"
        return {**item, "links": [{"rel": "self", "href": href, "type": "application/geo+json"}]}


@contextmanager
def stac_api(items: list[dict[str, Any]]) -> Iterator[Served]:
    """The API at `served.url` until the end of the block."""
    served = Served(items)
    extensions = [QueryExtension(), TokenPaginationExtension()]
    post = create_post_request_model(extensions)
    api = StacApi(
        settings=ApiSettings(),
        client=Client(served=served, extensions=extensions),
        extensions=extensions,
        search_get_request_model=create_get_request_model(extensions),
        search_post_request_model=post,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served.url = f"http://127.0.0.1:{port}"
    server = uvicorn.Server(uvicorn.Config(api.app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield served
    finally:
        server.should_exit = True
        thread.join(10)
