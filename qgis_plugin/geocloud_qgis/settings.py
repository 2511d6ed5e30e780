"""The plugin's settings, and the program they lead to."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from qgis.core import QgsApplication, QgsNetworkAccessManager, QgsSettings
from qgis.PyQt.QtCore import QUrl

from .env import clean_environment
from .installer import installed
from .locate import find_program

KEY = "geocloud/executable"


def executable() -> str:
    """What the user chose, or an empty string."""
    return str(QgsSettings().value(KEY, "") or "")


def set_executable(text: str) -> None:
    """Keep what the user chose; an empty text forgets it."""
    QgsSettings().setValue(KEY, text.strip())


def environment() -> dict[str, str]:
    """The environment in which the program runs, with QGIS's proxy; to be asked for on the main thread."""
    return {**clean_environment(os.environ, qgis_prefix=QgsApplication.prefixPath()), **proxy_variables()}


def program(environ: dict[str, str]) -> Path:
    """The program; ProgramError where there is none."""
    return find(executable(), environ)


def find(setting: str, environ: dict[str, str]) -> Path:
    """The program that this setting leads to; ProgramError where there is none."""
    own = installed(installations())
    return find_program(setting, environ, own=None if own is None else own.folder)


def installations() -> Path:
    """The folder in the profile that holds what the plugin has installed."""
    return Path(QgsApplication.qgisSettingsDirPath()) / "geocloud"


def proxy_variables() -> dict[str, str]:
    """QGIS's own proxy, as pip, uv, GDAL and Python read it; empty where none is set, and for SOCKS.

    The user's name and password come with it, also those of QGIS's own store.
    """
    manager = QgsNetworkAccessManager.instance()
    proxy = manager.fallbackProxy()
    kinds = type(proxy).ProxyType
    if proxy.type() not in (kinds.HttpProxy, kinds.HttpCachingProxy) or not proxy.hostName():
        return {}
    login = f"{quote(proxy.user(), safe='')}:{quote(proxy.password(), safe='')}@" if proxy.user() else ""
    address = f"http://{login}{proxy.hostName()}" + (f":{proxy.port()}" if proxy.port() else "")
    named = {"HTTP_PROXY": address, "HTTPS_PROXY": address}
    without = {QUrl(url).host() for url in (*manager.excludeList(), *manager.noProxyList())} - {""}
    if without:
        named["NO_PROXY"] = ",".join(sorted(without))
    return {**named, **{name.lower(): value for name, value in named.items()}}


def has_socks_proxy() -> bool:
    """True where QGIS's own proxy is one of SOCKS, which pip cannot use."""
    proxy = QgsNetworkAccessManager.instance().fallbackProxy()
    return proxy.type() == type(proxy).ProxyType.Socks5Proxy and bool(proxy.hostName())
