"""A web server on this machine that answers range requests, and can be told to misbehave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Site:
    """A folder served over http, and how it misbehaves.

    `faults` are used up from the front, one an answer with a body: a status such as 500, "reset" (half the body, then
    the connection is cut), or "stall" (half the body, then silence until the client gives up or the site ends).
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.faults: list[int | str | None] = []
        self.always: int | str | None = None
        """A fault of every answer, once `faults` are used up."""
        self.over = threading.Event()
        self.redirect = ""
        """Where every answer sends the client."""
        self.answers = 0
        self.sent = 0
        """Bytes of all bodies."""

    def next_fault(self) -> int | str | None:
        return self.faults.pop(0) if self.faults else self.always


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        site = self.site
        fault = site.next_fault() if body else None
        site.answers += body
        path = site.folder / self.path.partition("?")[0].lstrip("/")
        if site.redirect:
            self.send_response(302)
            self.send_header("Location", site.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if isinstance(fault, int) or not path.is_file():
            self.send_response(fault if isinstance(fault, int) else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content, status, more = path.read_bytes(), 200, {}
        asked = self.headers.get("Range")
        if asked:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            whole = len(content)
            stop = min(int(last) + 1, whole) if last else whole
            content, status = content[int(first) : stop], 206
            more = {"Content-Range": f"bytes {first}-{stop - 1}/{whole}"}
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), "Accept-Ranges": "bytes", **more}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self._send(content, fault)

    def _send(self, content: bytes, fault: Any) -> None:
        try:
            if fault is None:
                self.wfile.write(content)
                self.site.sent += len(content)
                return
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            if fault == "stall":
                self.site.over.wait()
            self.close_connection = True
            self.connection.close()
        except OSError:  # the client gave up first
            self.close_connection = True


@contextmanager
def serve(folder: Path) -> Iterator[Site]:
    """The folder at `site.url` until the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = type("SiteHandler", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] - a cut connection is meant
    handler.site = site = Site(folder, f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield site
    finally:
        site.over.set()
        server.shutdown()
        server.server_close()
