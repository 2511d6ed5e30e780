"""The plugin's settings, and the program they lead to."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from qgis.core import QgsApplication, QgsSettings

from .env import clean_environment
from .installer import installed
from .locate import find_program

KEY = "geocloud/executable"
_HTTP_PROXIES = ("HttpProxy", "HttpCachingProxy")


def executable() -> str:
    """What the user chose, or an empty string."""
    return str(QgsSettings().value(KEY, "") or "")


def set_executable(text: str) -> None:
    """Keep what the user chose; an empty text forgets it."""
    QgsSettings().setValue(KEY, text.strip())


def environment() -> dict[str, str]:
    """The environment in which the program runs."""
    return clean_environment(os.environ, qgis_prefix=QgsApplication.prefixPath())


def program() -> Path:
    """The program; ProgramError where there is none."""
    return find(executable(), environment())


def find(setting: str, environ: dict[str, str]) -> Path:
    """The program that this setting leads to; ProgramError where there is none."""
    own = installed(installations())
    return find_program(setting, environ, own=None if own is None else own.folder)


def installations() -> Path:
    """The folder in the profile that holds what the plugin has installed."""
    return Path(QgsApplication.qgisSettingsDirPath()) / "geocloud"


def proxy_variables() -> dict[str, str]:
    """QGIS's own proxy, as pip and uv read it; empty where none is set, and for SOCKS, which pip cannot use alone."""
    kept = QgsSettings()
    kind = str(kept.value("proxy/proxyType", ""))
    host, port = str(kept.value("proxy/proxyHost", "") or ""), str(kept.value("proxy/proxyPort", "") or "")
    if not kept.value("proxy/proxyEnabled", False, type=bool) or kind not in _HTTP_PROXIES or not host:
        return {}
    user = str(kept.value("proxy/proxyUser", "") or "")
    secret = str(kept.value("proxy/proxyPassword", "") or "")
    login = f"{quote(user, safe='')}:{quote(secret, safe='')}@" if user else ""
    address = f"http://{login}{host}" + (f":{port}" if port else "")
    return {"HTTP_PROXY": address, "HTTPS_PROXY": address}
