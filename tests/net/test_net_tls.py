"""The TLS configuration that every part shares."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import ValidationError

from shipper.core.component import Paths
from shipper.core.errors import ConfigError
from shipper.net.tls import TLSConfig, check_effect, check_tls, client_context, material, session_tls, stamp


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A folder with an authority, a certificate with its key, another's key, and files that are no PEM."""
    ca = trustme.CA()
    leaf, other = ca.issue_cert("a.example.com"), ca.issue_cert("b.example.com")
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    leaf.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    leaf.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    other.private_key_pem.write_to_path(str(tmp_path / "other.pem"))
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (tmp_path / "locked.pem").write_bytes(locked)
    (tmp_path / "text.pem").write_text("no certificate")
    (tmp_path / "empty.pem").write_text("")
    return Paths(tmp_path, tmp_path)


def test_http_without_settings_of_its_own_shares_one_copy_of_the_systems_authorities(paths: Paths) -> None:
    assert session_tls(TLSConfig(), paths, "a.example.com") is True
    trusting = session_tls(TLSConfig(ca_file="ca.pem"), paths, "a.example.com")
    assert isinstance(trusting, ssl.SSLContext)
    assert trusting.cert_store_stats()["x509_ca"] == 1


def test_the_default_verifies_and_speaks_1_2_or_later(paths: Paths) -> None:
    context = client_context(TLSConfig(), paths)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_an_own_authority_replaces_those_of_the_system(paths: Paths) -> None:
    context = client_context(TLSConfig(ca_file="ca.pem"), paths)
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize("written", ["1.3", 1.3])
def test_the_version_may_be_written_as_yaml_reads_it(paths: Paths, written: Any) -> None:
    config = TLSConfig.model_validate({"min_version": written})
    assert client_context(config, paths).minimum_version is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("version", ["1.0", 1.1, "1.4", ""])
def test_older_versions_are_refused(version: Any) -> None:
    with pytest.raises(ValidationError):
        TLSConfig.model_validate({"min_version": version})


def test_verification_can_be_skipped(paths: Paths) -> None:
    context = client_context(TLSConfig(insecure_skip_verify=True), paths)
    assert context.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(
    ("files", "loc", "code", "message"),
    [
        ({"ca_file": "no.pem"}, "ca_file", "missing-file", "there is no file no.pem"),
        ({"ca_file": "."}, "ca_file", "unreadable-file", "cannot read .: Is a directory"),
        ({"ca_file": "text.pem"}, "ca_file", "bad-tls-file", "text.pem holds no PEM certificate"),
        ({"ca_file": "empty.pem"}, "ca_file", "bad-tls-file", "empty.pem holds no PEM certificate"),
        ({"cert_file": "cert.pem"}, "cert_file", "missing-key", "cert_file needs key_file beside it"),
        ({"key_file": "key.pem"}, "key_file", "missing-key", "key_file needs cert_file beside it"),
        (
            {"cert_file": "cert.pem", "key_file": "other.pem"},
            "cert_file",
            "bad-tls-file",
            "cert.pem and other.pem are no matching pair of PEM certificate and key",
        ),
        (
            {"cert_file": "text.pem", "key_file": "key.pem"},
            "cert_file",
            "bad-tls-file",
            "text.pem and key.pem are no matching pair of PEM certificate and key",
        ),
        (
            {"cert_file": "cert.pem", "key_file": "locked.pem"},
            "key_file",
            "bad-tls-file",
            "the private key has a passphrase; store it without one, readable by the shipper alone",
        ),
    ],
)
def test_faults_of_files_are_said_at_the_file(
    paths: Paths, files: dict[str, str], loc: str, code: str, message: str
) -> None:
    config = TLSConfig.model_validate(files)
    (problem,) = check_tls(config, paths)
    assert (problem.loc, problem.code, problem.message) == (("tls", loc), code, message)
    with pytest.raises(ConfigError, match=message[:10]):
        client_context(config, paths)
    with pytest.raises(ConfigError, match=message[:10]):
        material(config, paths)


def test_an_empty_name_of_a_file_counts_as_none(paths: Paths) -> None:
    """As an environment variable with an empty default leaves it."""
    assert list(check_tls(TLSConfig(ca_file="", cert_file="", key_file=""), paths)) == []


def test_material_is_what_the_files_hold(paths: Paths) -> None:
    found = material(TLSConfig(cert_file="cert.pem", key_file="key.pem"), paths)
    assert found.ca is None
    assert found.cert == (paths.working / "cert.pem").read_bytes()
    assert found.key == (paths.working / "key.pem").read_bytes()


def test_the_stamp_changes_with_the_files(paths: Paths) -> None:
    config = TLSConfig(ca_file="ca.pem")
    before = stamp(config, paths)
    assert stamp(config, paths) == before
    (paths.working / "ca.pem").write_text("renewed")
    changed = stamp(config, paths)
    assert changed != before
    (paths.working / "ca.pem").unlink()
    assert stamp(config, paths) not in (before, changed)


@pytest.mark.parametrize(
    ("tls", "secure", "told"),
    [
        ({}, True, []),
        ({}, False, []),
        ({"insecure": True}, False, []),
        ({"insecure": True}, True, [("error", "insecure")]),
        ({"ca_file": "ca.pem", "insecure_skip_verify": False, "min_version": "1.3"}, True, []),
        ({"insecure_skip_verify": False}, False, []),
        (
            {"insecure": True, "ca_file": "ca.pem", "server_name_override": "a.example.com"},
            False,
            [("warning", "ca_file"), ("warning", "server_name_override")],
        ),
    ],
)
def test_a_key_that_does_nothing_is_told(tls: dict[str, Any], secure: bool, told: list[tuple[str, str]]) -> None:
    problems = list(check_effect(TLSConfig.model_validate(tls), secure=secure))
    assert [(problem.severity, problem.loc[-1]) for problem in problems] == told
    assert {problem.code for problem in problems} <= {"no-effect"}
