"""OTLP/HTTP through a proxy of the environment."""

import pytest
from otlp_backends import HTTPBackend, context, window

from shipper.core.errors import Unavailable
from shipper.exporters import otlp_http
from shipper.exporters.otlp_http import OTLPHTTPExporter


async def test_a_proxy_of_the_environment_is_named_where_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async with HTTPBackend() as gone:
        monkeypatch.setenv("http_proxy", gone.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    config = otlp_http.Config.model_validate({"endpoint": "http://backend.test:4318"})
    async with OTLPHTTPExporter(config, context()) as exporter:
        with pytest.raises(Unavailable) as raised:
            await exporter.export(window("a"))
    assert raised.value.reason == (
        "the proxy before backend.test:4318 cannot be reached; check the variable http_proxy, "
        "or name backend.test in NO_PROXY"
    )
