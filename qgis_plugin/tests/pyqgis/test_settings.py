"""The settings that QGIS keeps."""

import pytest
from geocloud_qgis import settings
from qgis.core import QgsSettings


@pytest.fixture
def proxy(qgis_app):
    kept = QgsSettings()

    def use(**values):
        for name, value in values.items():
            kept.setValue(f"proxy/{name}", value)

    yield use
    kept.remove("proxy")


def test_no_proxy(proxy):
    assert settings.proxy_variables() == {}


def test_qgis_own_proxy_is_pips_too(proxy):
    proxy(proxyEnabled=True, proxyType="HttpProxy", proxyHost="proxy.example.org", proxyPort="3128")
    assert settings.proxy_variables()["HTTPS_PROXY"] == "http://proxy.example.org:3128"
    proxy(proxyUser="me", proxyPassword="a/b")
    assert settings.proxy_variables()["HTTP_PROXY"] == "http://me:a%2Fb@proxy.example.org:3128"
    proxy(proxyType="Socks5Proxy")
    assert settings.proxy_variables() == {}


def test_installations_lie_in_the_profile(qgis_app):
    assert settings.installations().name == "geocloud"
    assert str(settings.installations()).startswith(qgis_app.qgisSettingsDirPath().rstrip("/"))
