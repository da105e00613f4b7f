"""Configuring the OTLP exporters: endpoints, the environment's defaults, and faults said where they stand."""

import os
from pathlib import Path
from typing import Any

import pytest
from otlp_backends import context

from shipper.core.component import Paths
from shipper.core.errors import ConfigError, Problem
from shipper.exporters import otlp_grpc, otlp_http
from shipper.exporters.otlp_config import settings
from shipper.exporters.otlp_endpoint import Target, grpc_target, http_url

HERE = Paths(Path("/nowhere"), Path("/nowhere"))


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


def problems(component: Any, config: dict[str, Any]) -> list[Problem]:
    return list(component.check(component.config.model_validate(config), HERE))


@pytest.mark.parametrize(
    ("endpoint", "target"),
    [
        ("collector:4317", Target("collector:4317", "collector", 4317, None)),
        ("http://collector:4317", Target("collector:4317", "collector", 4317, secure=False)),
        ("https://collector:4317/", Target("collector:4317", "collector", 4317, secure=True)),
        ("https://otlp.example.com", Target("otlp.example.com:443", "otlp.example.com", 443, secure=True)),
        ("[::1]:4317", Target("[::1]:4317", "::1", 4317, None)),
        ("unix:///run/otlp.sock", Target("unix:///run/otlp.sock", "", 0, secure=False)),
    ],
)
def test_grpc_endpoints_with_and_without_a_scheme(endpoint: str, target: Target) -> None:
    assert grpc_target(endpoint) == target


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("collector", "the port is missing; write HOST:PORT (4317 is the usual one)"),
        ("grpc://collector:4317", "write HOST:PORT, with http:// before it for no TLS or https:// for TLS"),
        ("http://collector:4318/v1/logs", "gRPC endpoints have no path"),
        ("collector:port", "its host or port is wrong; a port is a number from 1 to 65535"),
        ("collector:65536", "its host or port is wrong"),
        ("collector:0", "its port is 0"),
        (":4317", "the host is missing or no host name"),
        ("col lector:4317", "there is a blank or control character in it"),
        ("collector:4317\n", "there is a blank or control character in it"),
        ("https://user:pass@collector:4317", "credentials don't belong here; write them as headers"),
        ("[::1:4317", "its host or port is wrong"),
    ],
)
def test_wrong_grpc_endpoints_are_said_with_what_to_write(endpoint: str, message: str) -> None:
    (problem,) = problems(otlp_grpc.component, {"endpoint": endpoint})
    assert (problem.loc, problem.code) == (("endpoint",), "bad-value")
    assert message in problem.message


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("collector:4318", "write a URL with its scheme, such as https://collector:4318"),
        ("ftp://collector", "write a URL with its scheme"),
        ("https://", "the host is missing or no host name"),
        ("https://a:b@collector", "credentials don't belong here"),
        ("https://collector/#x", "a # is no part of an endpoint"),
        ("https://collector:99999", "its host or port is wrong"),
    ],
)
@pytest.mark.parametrize("key", ["endpoint", "logs_endpoint"])
def test_wrong_http_endpoints_are_said_at_their_key(endpoint: str, message: str, key: str) -> None:
    (problem,) = problems(otlp_http.component, {key: endpoint})
    assert (problem.loc, problem.code) == ((key,), "bad-value")
    assert message in problem.message


def test_credentials_in_an_endpoint_are_not_repeated() -> None:
    for component in (otlp_grpc.component, otlp_http.component):
        (problem,) = problems(component, {"endpoint": "https://user:s3cret@collector:4317"})
        assert "s3cret" not in problem.message


@pytest.mark.parametrize("component", [otlp_grpc.component, otlp_http.component])
def test_a_missing_endpoint_is_an_error(component: Any) -> None:
    (problem,) = problems(component, {})
    assert problem == Problem(
        ("endpoint",), "missing-key", "missing; give it here or in OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    with pytest.raises(ConfigError, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        component.build(component.config(), context())


@pytest.mark.parametrize("body", [{}, {"tls": None, "headers": None, "retry_on_failure": None, "batch": None}])
def test_null_bodies_mean_defaults(body: dict[str, Any]) -> None:
    config = otlp_http.Config.model_validate({"endpoint": "https://collector"} | body)
    assert problems(otlp_http.component, {"endpoint": "https://collector"} | body) == []
    assert config.tls.insecure is False


@pytest.mark.parametrize(
    ("headers", "loc", "message"),
    [
        ({"bad name": "x"}, ("headers", "bad name"), "no header of this name can be set"),
        ({"": "x"}, ("headers", ""), "no header of this name can be set"),
        ({"Content-Type": "x"}, ("headers", "Content-Type"), "no header of this name can be set"),
        ({"x": "s3cret\r\nhost: evil"}, ("headers", "x"), "the value has a line break"),
        ({"x": "s3cret\u2028"}, ("headers", "x"), "the value has a line break"),
    ],
)
@pytest.mark.parametrize("component", [otlp_grpc.component, otlp_http.component])
def test_headers_that_cannot_be_sent_are_errors_without_their_values(
    component: Any, headers: dict[str, str], loc: tuple[str, ...], message: str
) -> None:
    (problem,) = problems(component, {"endpoint": "https://collector:4317", "headers": headers})
    assert problem.loc == loc
    assert message in problem.message
    assert "s3cret" not in problem.message


@pytest.mark.parametrize("name", ["grpc-timeout", "trace-bin"])
def test_headers_that_grpc_keeps_for_itself_are_errors(name: str) -> None:
    (problem,) = problems(otlp_grpc.component, {"endpoint": "collector:4317", "headers": {name: "x"}})
    assert problem.loc == ("headers", name)


def test_zstd_over_grpc_is_a_warning() -> None:
    (problem,) = problems(otlp_grpc.component, {"endpoint": "collector:4317", "compression": "zstd"})
    assert (problem.severity, problem.loc) == ("warning", ("compression",))


def test_missing_tls_files_are_said_at_their_key() -> None:
    found = problems(otlp_http.component, {"endpoint": "https://collector", "tls": {"ca_file": "ca.pem"}})
    assert found == [Problem(("tls", "ca_file"), "missing-file", "there is no file ca.pem")]


def test_secrets_are_in_no_repr() -> None:
    config = otlp_http.Config.model_validate(
        {"endpoint": "https://collector", "headers": {"authorization": "s3cret"}}
    )
    exporter = otlp_http.OTLPHTTPExporter(config, context())
    assert "s3cret" not in f"{config!r} {config} {exporter!r} {settings(config)!r}"
    assert repr(exporter) == "otlphttp(https://collector/v1/logs)"
    over_grpc = otlp_grpc.OTLPExporter(otlp_grpc.Config(endpoint="collector:4317"), context())
    assert repr(over_grpc) == "otlp(collector:4317)"


# The environment


def test_variables_are_defaults() -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://backend:4318",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20s3cret, x-tenant=acme,broken",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "cert.pem",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": "key.pem",
        "OTEL_EXPORTER_OTLP_INSECURE": "True",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
    }
    config = otlp_http.Config()
    found = settings(config, environ)
    assert (found.endpoint, found.complete, found.timeout) == ("https://backend:4318", False, 2.5)
    assert found.headers == {"authorization": "Bearer s3cret", "x-tenant": "acme"}
    assert (found.tls.ca_file, found.tls.cert_file, found.tls.key_file) == ("ca.pem", "cert.pem", "key.pem")
    assert (found.tls.insecure, found.compression) == (True, "gzip")
    assert otlp_http.encoding(config, found) == "json"


def test_variables_for_logs_win_over_general_ones() -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://general:4318",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://logs:4318/custom",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1000",
        "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "2000",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION": "",
    }
    found = settings(otlp_http.Config(), environ)
    assert (found.endpoint, found.complete, found.timeout) == ("https://logs:4318/custom", True, 2.0)
    assert found.compression == "gzip"
    assert http_url(found.endpoint, complete=found.complete) == "https://logs:4318/custom"


def test_the_configuration_wins_over_variables() -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://variable:4318/custom",
        "OTEL_EXPORTER_OTLP_HEADERS": "a=b",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1000",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "variable.pem",
        "OTEL_EXPORTER_OTLP_INSECURE": "true",
    }
    config = otlp_http.Config.model_validate(
        {
            "endpoint": "https://file:4318",
            "headers": {"c": "d"},
            "timeout": "10s",
            "compression": "none",
            "tls": {"ca_file": "file.pem", "insecure": False},
        }
    )
    found = settings(config, environ)
    assert (found.endpoint, found.complete, found.timeout) == ("https://file:4318", False, 10.0)
    assert (found.headers, found.compression) == ({"c": "d"}, "none")
    assert (found.tls.ca_file, found.tls.insecure) == ("file.pem", False)


def test_the_delivery_sees_the_timeout_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "30000")
    assert otlp_grpc.Config(endpoint="collector:4317").timeout == 30
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "30s")
    assert otlp_grpc.Config(endpoint="collector:4317").timeout == 10


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "OTEL_EXPORTER_OTLP_TIMEOUT is no number of milliseconds"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "0", "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT is no number of milliseconds"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "br", "OTEL_EXPORTER_OTLP_COMPRESSION is none of gzip, zstd and none"),
    ],
)
def test_variables_without_a_meaning_are_errors(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    (problem,) = problems(otlp_grpc.component, {"endpoint": "collector:4317"})
    assert (problem.code, problem.message) == ("bad-variable", f"the variable {message}")


def test_a_wrong_endpoint_of_the_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")
    (problem,) = problems(otlp_http.component, {})
    assert (problem.loc, problem.code) == ((), "bad-variable")
    assert problem.message.startswith("OTEL_EXPORTER_OTLP_ENDPOINT")
