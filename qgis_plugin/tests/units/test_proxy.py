"""An installation from an index that only a proxy reaches: the host's name means nothing on this computer."""

import base64
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from geocloud_qgis import installer
from geocloud_qgis.env import clean_environment
from geocloud_qgis.installer import EXTRAS, PROGRAM_VERSION, install, installed
from geocloud_qgis.protocol import PROTOCOL
from geocloud_qgis.runner import Listener, ProgramError
from stub_wheels import empty_wheel, program_wheel

INDEX = "http://packages.invalid"
LOGIN = "me:a/b"
GOOD = {"geocloud": PROGRAM_VERSION, "protocol": PROTOCOL}


@pytest.fixture
def proxy(tmp_path):
    """An HTTP proxy that wants a login and knows one host, an index of the folder of wheels; refuses TLS."""
    folder, asked = tmp_path / "index", []
    for package in EXTRAS.values():
        empty_wheel(folder, package)
    given = "Basic " + base64.b64encode(LOGIN.encode()).decode()

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            known = self.path.startswith(INDEX) and self.headers.get("Proxy-Authorization") == given
            page = re.fullmatch(rf"{INDEX}/simple/([a-z0-9-]+)/", self.path)
            file = folder / self.path.rsplit("/", 1)[-1]
            if known and page:
                files = sorted(path.name for path in folder.glob(f"{page.group(1)}-*.whl"))
                self.answer(200, "".join(f'<a href="/files/{name}">{name}</a>' for name in files).encode())
            elif known and file.suffix == ".whl" and file.is_file():
                self.answer(200, file.read_bytes())
            else:
                self.answer(404 if known else 407, b"")

        do_HEAD = do_GET

        def do_CONNECT(self):
            asked.append(self.path)
            self.answer(403, b"")

        def answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if body.startswith(b"<a") else "application/zip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://me:a%2Fb@127.0.0.1:{server.server_port}", asked
    server.shutdown()


@pytest.fixture
def environ(tmp_path, monkeypatch):
    """No settings of this computer; the plugin has the program's wheel in it, and torch's index is left out."""
    monkeypatch.setattr(installer, "BUNDLED", program_wheel(tmp_path / "bundled", GOOD))
    monkeypatch.setattr(installer, "TORCH_CPU", f"{INDEX}/whl/cpu")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    names = {"PIP_INDEX_URL": f"{INDEX}/simple", "PIP_TRUSTED_HOST": "packages.invalid", "PIP_RETRIES": "0"}
    uvs = {"UV_DEFAULT_INDEX": f"{INDEX}/simple", "UV_CACHE_DIR": str(tmp_path / "cache"), "UV_HTTP_RETRIES": "0"}
    return {**clean_environment(kept), "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", **names, **uvs}


def with_proxy(environ, address):
    """As the plugin's settings give QGIS's own proxy."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    return {**environ, **dict.fromkeys(names, address)}


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_packages_come_through_the_proxy(tmp_path, proxy, environ, tool):
    address, asked = proxy
    python = sys.executable if tool == "pip" else uv()
    made = install(tmp_path / "root", with_proxy(environ, address), Listener(), python=python)
    assert installed(tmp_path / "root") == made
    for package in EXTRAS.values():
        assert f"{INDEX}/files/{package}-1.0-py3-none-any.whl" in asked
        assert list(made.folder.rglob(f"{package}-1.0.dist-info"))
    assert [path for path in asked if path.startswith(f"{INDEX}/whl/cpu")] or not sys.platform.startswith("linux")


@pytest.mark.parametrize("login", ["", "me:wrong"])
def test_what_the_proxy_refuses_is_said_to_be_the_networks(tmp_path, proxy, environ, login):
    """Also that there is no other way to the packages, else the test above would prove nothing."""
    address = proxy[0].replace("me:a%2Fb", login)
    with pytest.raises(ProgramError) as caught:
        install(tmp_path / "root", with_proxy(environ, address) if login else environ, Listener(), python=uv())
    assert "proxy" in caught.value.hint
    assert list((tmp_path / "root").iterdir()) == []


def uv():
    """The tool beside this Python."""
    pytest.importorskip("uv")
    return str(Path(sys.executable).parent / "uv")
