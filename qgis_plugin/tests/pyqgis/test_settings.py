"""The settings that QGIS keeps."""

import pytest
from geocloud_qgis import settings
from qgis.core import QgsNetworkAccessManager, QgsSettings


@pytest.fixture
def proxy(qgis_app):
    """Set it as QGIS's own options do."""
    kept = QgsSettings()

    def use(**values):
        for name, value in values.items():
            kept.setValue(f"proxy/{name}", value)
        QgsNetworkAccessManager.instance().setupDefaultProxyAndCache()

    yield use
    kept.remove("proxy")
    QgsNetworkAccessManager.instance().setupDefaultProxyAndCache()


def test_no_proxy(proxy):
    proxy(proxyEnabled=False)
    assert settings.proxy_variables() == {}
    assert not settings.has_socks_proxy()


def test_qgis_own_proxy_is_pips_and_the_programs_too(proxy):
    proxy(proxyEnabled=True, proxyType="HttpProxy", proxyHost="proxy.example.org", proxyPort="3128")
    assert settings.proxy_variables()["HTTPS_PROXY"] == "http://proxy.example.org:3128"
    assert "NO_PROXY" not in settings.proxy_variables()
    proxy(proxyUser="me", proxyPassword="a/b")
    for name in ("HTTP_PROXY", "https_proxy"):
        assert settings.environment()[name] == "http://me:a%2Fb@proxy.example.org:3128"
    proxy(noProxyUrls=["http://intranet.example.org/data"])
    assert settings.proxy_variables()["NO_PROXY"] == "intranet.example.org"


def test_a_socks_proxy_is_none_of_pips(proxy):
    proxy(proxyEnabled=True, proxyType="Socks5Proxy", proxyHost="proxy.example.org", proxyPort="1080")
    assert settings.proxy_variables() == {}
    assert settings.has_socks_proxy()


def test_installations_lie_in_the_profile(qgis_app):
    assert settings.installations().name == "geocloud"
    assert str(settings.installations()).startswith(qgis_app.qgisSettingsDirPath().rstrip("/"))
