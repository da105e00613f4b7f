"""What a file means once it is loaded, and how faults are told; with components of our own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from config_parts import find, names

from shipper.config import Diagnostic, Invalid, Loaded, cases, load

Load = Callable[..., Loaded]
Faults = Callable[..., list[Diagnostic]]

FILE = """
receivers:
  source:
    auth: {{token: abcd1234}}
    {receiver}
processors:
  rules: {rules}
exporters:
  sink: {{endpoint: e:1}}
  debug:
service:
  pipelines:
    logs: {{receivers: [source], processors: [rules], exporters: [sink, debug]}}
  {service}
"""


def with_parts(receiver: str = "page: 1", rules: str = "", service: str = "") -> str:
    return FILE.format(receiver=receiver, rules=rules, service=service)


def told(diagnostics: list[Diagnostic]) -> list[str]:
    return [f"{d.line}:{d.column} {d.severity}[{d.code}] {d.path}: {d.message}" for d in diagnostics]


def test_defaults_fill_what_is_left_out(load_text: Load) -> None:
    loaded = load_text(with_parts())
    assert list(loaded.receivers) == ["source"]
    assert loaded.exporters["debug"].config.verbosity == "normal"
    assert (loaded.storage.type, loaded.storage.path) == ("sqlite", "data/shipper.db")
    assert (loaded.storage.max_size, loaded.storage.retention) == (2**30, 604800.0)
    assert loaded.pipelines["logs"].exporters == ["sink", "debug"]
    assert (loaded.telemetry.logs.level, loaded.telemetry.logs.format) == ("info", "json")
    assert loaded.telemetry.metrics
    assert loaded.telemetry.metrics.endpoint == "127.0.0.1:8888"
    assert "endpoint" not in loaded.telemetry.metrics.model_fields_set
    assert loaded.admin
    assert loaded.admin.endpoint == "127.0.0.1:13133"
    assert loaded.warnings == []


def test_metrics_and_admin_can_be_switched_off(load_text: Load) -> None:
    loaded = load_text(with_parts(service="telemetry: {metrics: false}\n  admin: false"))
    assert loaded.telemetry.metrics is False
    assert loaded.admin is False


@pytest.mark.parametrize(
    ("metrics", "admin", "refused"),
    [
        ("127.0.0.1:9000", "127.0.0.1:9000", True),
        ("0.0.0.0:9000", "127.0.0.1:9000", True),
        ("127.0.0.1:9000", "':9000'", True),
        ("localhost:9000", "127.0.0.1:9000", True),
        ("'[::1]:9000'", "'[0:0:0:0:0:0:0:1]:9000'", True),
        ("'[::]:9000'", "10.0.0.1:9000", True),
        ("127.0.0.1:9000", "127.0.0.2:9000", False),
        ("127.0.0.1:9000", "127.0.0.1:9001", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
        ("null", "127.0.0.1:8888", False),
    ],
)
def test_two_listeners_do_not_share_a_port(faults: Faults, metrics: str, admin: str, refused: bool) -> None:
    text = with_parts(service=f"telemetry: {{metrics: {{endpoint: {metrics}}}}}\n  admin: {{endpoint: {admin}}}")
    assert [d.code for d in faults(text)] == ["same-endpoint"] * refused


@pytest.mark.parametrize(
    ("written", "key", "meaning"),
    [
        ("enterprise: 0123", "enterprise", "0123"),
        ("enterprise: 12", "enterprise", "12"),
        ("enterprise: 1e3", "enterprise", "1e3"),
        ("enterprise: true", "enterprise", "true"),
        ("enterprise: null", "enterprise", None),
        ("enterprise: no", "enterprise", "no"),
        ("base_url: 1.10", "base_url", "1.10"),
        ("organizations: [1, 0x10, x]", "organizations", ["1", "0x10", "x"]),
        ("page: ${env:PAGE}", "page", 7),
        ("page: '7'", "page", 7),
        ("base_url: ${env:PAGE}", "base_url", "07"),
        ("ratio: 2", "ratio", 2.0),
        ("poll_interval:", "poll_interval", 300.0),
        ("poll_interval: ${env:WAIT}", "poll_interval", 90.0),
        ("organizations:", "organizations", []),
        ("alerts: ${env:OFF}", "alerts", False),
        ("alerts: '${env:OFF:-}'", "alerts", None),
        ("facility: 5", "facility", 5),
        ("facility: local0", "facility", "local0"),
    ],
)
def test_scalars_become_what_the_field_is(load_text: Load, written: str, key: str, meaning: object) -> None:
    """An unquoted number is text where text is wanted, as it was written; an expansion is converted."""
    text = with_parts(receiver=written)
    env = {"PAGE": "07", "WAIT": "1m30s", "OFF": "false"}
    if meaning is None and key == "alerts":
        with pytest.raises(Invalid):
            load_text(text, env)
    else:
        assert getattr(load_text(text, env).receivers["source"].config, key) == meaning


@pytest.mark.parametrize("body", ["audit_log:", "audit_log: null", "audit_log: {}", "audit_log: true", "page: 2"])
def test_a_body_of_null_or_true_means_the_defaults(load_text: Load, body: str) -> None:
    config = load_text(with_parts(receiver=body)).receivers["source"].config
    assert config.audit_log.include == "all"


def test_a_null_body_switches_on_what_is_off_by_default(load_text: Load) -> None:
    """As `protocols: {http:}` does in the Collector."""
    assert load_text(with_parts(receiver="alerts:")).receivers["source"].config.alerts.overlap == 600.0


@pytest.mark.parametrize(
    ("receiver", "expected"),
    [
        ("pages: 1", "5:5 error[unknown-key] receivers.source.pages: unknown key (did you mean page?)"),
        (
            "pollInterval: 1s",
            ("5:5 error[unknown-key] receivers.source.pollInterval: unknown key (did you mean poll_interval?)"),
        ),
        (
            "zzz: 1",
            (
                "5:5 error[unknown-key] receivers.source.zzz: unknown key; known keys are alerts, audit_log, auth,"
                " base_url, enterprise, facility, organizations, page, poll_interval, ratio"
            ),
        ),
        (
            "audit_log: {inklude: all}",
            "5:17 error[unknown-key] receivers.source.audit_log.inklude: unknown key (did you mean include?)",
        ),
        ("page: x", "5:11 error[wrong-type] receivers.source.page: expected a whole number, found text"),
        ("page: 1.5", "5:11 error[wrong-type] receivers.source.page: expected a whole number, found a number"),
        ("page: true", "5:11 error[wrong-type] receivers.source.page: expected a number, found true or false"),
        ("page: 0", "5:11 error[out-of-range] receivers.source.page: must be at least 1"),
        (
            "audit_log: {include: [all]}",
            "5:26 error[unknown-value] receivers.source.audit_log.include: expected web, git or all, found a list",
        ),
        ("page: [1]", "5:11 error[wrong-type] receivers.source.page: expected a whole number, found a list"),
        (
            "organizations: x",
            (
                "5:20 error[wrong-type] receivers.source.organizations: expected a list, found text; write it as"
                " [value]"
            ),
        ),
        (
            "organizations: [x, {a: 1}]",
            "5:24 error[wrong-type] receivers.source.organizations[1]: expected text, found a map",
        ),
        (
            "organizations: [x, null]",
            "5:24 error[wrong-type] receivers.source.organizations[1]: expected text, found nothing",
        ),
        (
            "poll_interval: 300",
            (
                "5:20 error[bad-duration] receivers.source.poll_interval: not a duration; write a number with"
                " its unit,"
                " such as 200ms, 30s, 5m or 24h"
            ),
        ),
        (
            "audit_log: {include: gti}",
            (
                "5:26 error[unknown-value] receivers.source.audit_log.include: gti is not known here (did you"
                " mean git?);"
                " expected web, git or all"
            ),
        ),
        (
            "audit_log: [x]",
            "5:16 error[wrong-type] receivers.source.audit_log: expected a map or false, found a list",
        ),
        (
            "facility: [1]",
            ("5:15 error[wrong-type] receivers.source.facility: expected a whole number or text, found a list"),
        ),
        (
            "page: ${env:WORD}",
            "5:11 error[wrong-type] receivers.source.page: expected a whole number, found what ${env:WORD} holds",
        ),
        (
            "audit_log: {include: '${env:WORD}'}",
            (
                "5:26 error[unknown-value] receivers.source.audit_log.include: expected web, git or all,"
                " found what"
                " ${env:WORD} holds"
            ),
        ),
    ],
)
def test_faults_of_a_component(faults: Faults, receiver: str, expected: str) -> None:
    assert told(faults(with_parts(receiver=receiver), {"WORD": "a word"})) == [expected]


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("yes", "the text yes (YAML 1.2 has only true and false)"),
        ("Off", "the text Off (YAML 1.2 has only true and false)"),
        ("'yes'", "text"),
        ("1", "a number"),
        ("0.0", "a number"),
        ("'${env:WORD}'", "what ${env:WORD} holds"),
    ],
)
def test_only_true_and_false_are_booleans(faults: Faults, written: str, found: str) -> None:
    """As in YAML 1.2 and in the Collector: whoever switches off a check says so in so many words."""
    text = with_parts().replace("{endpoint: e:1}", f"{{endpoint: e:1, tls: {{insecure: {written}}}}}")
    assert told(faults(text, {"WORD": "yes"})) == [
        f"9:41 error[wrong-type] exporters.sink.tls.insecure: expected true or false, found {found}"
    ]


@pytest.mark.parametrize("written", ["true", "'true'", "TRUE", "'${env:WORD}'"])
def test_true_may_be_quoted_or_expanded(load_text: Load, written: str) -> None:
    text = with_parts().replace("{endpoint: e:1}", f"{{endpoint: e:1, tls: {{insecure: {written}}}}}")
    assert load_text(text, {"WORD": "true"}).exporters["sink"].config.tls.insecure is True


def test_a_missing_key_is_told_at_its_parent(faults: Faults) -> None:
    text = with_parts().replace("{token: abcd1234}", "").replace("{endpoint: e:1}", "{}")
    assert told(faults(text)) == [
        "4:5 error[wrong-combination] receivers.source.auth: give exactly one of token and token_file",
        "9:3 error[missing-key] exporters.sink.endpoint: required key is missing",
    ]


def test_a_required_key_without_a_value_is_told_there(faults: Faults) -> None:
    text = with_parts().replace("{endpoint: e:1}", "{endpoint: }")
    assert told(faults(text)) == ["9:10 error[missing-value] exporters.sink.endpoint: a value is required here"]


def test_components_find_faults_of_their_own(faults: Faults) -> None:
    """Each at the place that the component names; warnings come with the errors, sorted by line."""
    rules = (
        "\n    files: [absent.yml]\n    rules:\n      - {name: shadowed}\n      - {name: b, match: {action: bad}}"
    )
    assert told(faults(with_parts(rules=rules))) == [
        "8:13 error[missing-file] processors.rules.files[0]: there is no file absent.yml",
        "10:10 warning[rule-shadowed] processors.rules.rules[0].name: never matches",
        "11:35 error[bad-pattern] processors.rules.rules[1].match.action: no pattern: {'action': 'bad'}",
    ]


def test_an_unset_variable_is_told_once_and_nothing_follows_from_it(faults: Faults) -> None:
    text = with_parts(receiver="page: ${env:PAGE}").replace("abcd1234", "'${env:TOKEN}'")
    assert told(faults(text)) == [
        (
            "4:19 error[unset-variable] receivers.source.auth.token: the variable TOKEN is not set and has no"
            " default;"
            " set it, or write ${env:TOKEN:-DEFAULT}"
        ),
        (
            "5:11 error[unset-variable] receivers.source.page: the variable PAGE is not set and has no"
            " default; set it,"
            " or write ${env:PAGE:-DEFAULT}"
        ),
    ]


def test_a_component_that_does_not_load_is_told(faults: Faults) -> None:
    text = with_parts().replace("  debug:\n", "  debug:\n  needs_more: {}\n")
    assert "10" not in told(faults(text))[0]
    assert told(faults(text)) == [
        (
            "11:3 error[component-import] exporters.needs_more: the exporter needs_more can't be loaded:"
            " No module named 'more'"
        ),
        (
            "11:3 warning[unused-component] exporters.needs_more: no pipeline uses it;"
            " name it in service.pipelines or remove it"
        ),
    ]


def test_every_fault_is_told_at_once_sorted_by_line(faults: Faults) -> None:
    text = with_parts(receiver="pages: 1\n    page: x", rules="{rulez: []}", service="admin: 5")
    found = faults(text)
    assert [d.line for d in found] == [5, 6, 8, 15]
    assert found == sorted(found, key=lambda d: d.line)


SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    "receiver",
    [
        f"auth: {{token: {SECRET}, token_file: x}}",
        f"auth: {{token: [{SECRET}]}}",
        f"auth: {{token: {{{SECRET}: {SECRET}}}}}",
        f"auth: {SECRET}",
        "auth: ${env:TOKEN}",
        "page: ${env:TOKEN}",
        "audit_log: {include: '${env:TOKEN}'}",
        "poll_interval: ${file:secret.txt}",
        "facility: {x: '${file:secret.txt}'}",
        "audit_log: '${file:secret.txt}'",
    ],
)
def test_no_secret_is_ever_told(load_text: Load, tmp_path: Path, receiver: str) -> None:
    """A value that is refused is not repeated where it is, or may be, a secret."""
    (tmp_path / "secret.txt").write_text(SECRET)
    text = with_parts(receiver=receiver).replace(
        "    auth: {token: abcd1234}\n", "" if "auth" in receiver else "    auth: {token: abcd1234}\n"
    )
    with pytest.raises(Invalid) as caught:
        load_text(text, {"TOKEN": SECRET})
    assert SECRET not in str(caught.value).replace(f"token.{SECRET}", "")


def test_what_components_quote_is_masked(faults: Faults) -> None:
    """The text of a problem is a component's; secrets in it are not shown whatever it quotes."""
    rules = "{rules: [{name: a, match: {action: 'bad ${env:MY_TOKEN}'}}]}"
    assert told(faults(with_parts(rules=rules), {"MY_TOKEN": SECRET})) == [
        "7:45 error[bad-pattern] processors.rules.rules[0].match.action: no pattern: {'action': 'bad ***'}"
    ]


def test_a_password_inside_an_address_is_masked(faults: Faults) -> None:
    rules = "{rules: [{name: a, match: {action: 'bad https://me:hunter2@example.com/x'}}]}"
    assert [d.message for d in faults(with_parts(rules=rules))] == [
        "no pattern: {'action': 'bad https://***@example.com/x'}"
    ]


def test_secrets_are_known_for_the_log(load_text: Load, tmp_path: Path) -> None:
    """Those that a model or a variable's name says are secrets; both the whole value and what was put into it."""
    text = with_parts().replace(
        "{endpoint: e:1}", "{endpoint: e:1, headers: {authorization: 'Bearer ${env:OTLP_TOKEN}'}}"
    )
    loaded = load_text(text, {"OTLP_TOKEN": "t0ken"})
    assert loaded.secrets == {"abcd1234", "Bearer t0ken", "t0ken"}
    assert "abcd1234" not in repr(loaded)


def test_every_file_that_was_read_is_known_for_watching(load_text: Load, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text("")
    (tmp_path / "org").write_text("acme")
    loaded = load_text(with_parts(receiver="organizations: ['${file:org}']", rules="{files: [rules.yml]}"))
    assert loaded.files == {tmp_path / "pipelines.yaml", tmp_path / "rules.yml", tmp_path / "org"}


def test_anchors_have_a_place(load_text: Load) -> None:
    text = "x-common: &common {page: 3, ratio: 2}\n" + with_parts(receiver="<<: *common")
    assert load_text(text).receivers["source"].config.page == 3


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        load(tmp_path / "absent.yaml", find, {}, tmp_path)
    [fault] = told(caught.value.diagnostics)
    assert fault == (
        "1:1 error[unreadable-file] : the configuration can't be read: no such file or directory; "
        "`shipper init` writes one, `-c FILE` names another"
    )


def test_bytes_that_are_not_text_are_told_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "pipelines.yaml"
    path.write_bytes("receivers:\n  é: ".encode() + b"\xff\n")
    with pytest.raises(Invalid) as caught:
        load(path, find, {}, tmp_path)
    assert told(caught.value.diagnostics) == [
        "2:6 error[yaml-character] : a byte that is not UTF-8; save the file as UTF-8"
    ]


def test_a_byte_order_mark_does_no_harm(load_text: Load) -> None:
    assert load_text("\ufeff" + with_parts()).receivers


def test_suggestions_need_no_list_of_types(tmp_path: Path) -> None:
    path = tmp_path / "pipelines.yaml"
    path.write_text("receivers: {sourze: }\nexporters: {}\nservice: {pipelines: {}}\n")
    with pytest.raises(Invalid) as bare:
        load(path, find, {}, tmp_path)
    with pytest.raises(Invalid) as helped:
        load(path, find, {}, tmp_path, names=names)
    assert "there is no receiver of type sourze\n" in str(bare.value) + "\n"
    assert "(did you mean source?)" in str(helped.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "1:1 yaml-syntax the file must be a map with `tests:`"),
        (b"tests:\n  - \xff", "2:5 yaml-character a byte that is not UTF-8; save the file as UTF-8"),
        (b"#" + b"x" * 16 * 2**20, "1:1 yaml-too-large the file holds more than 16 MiB"),
    ],
)
def test_files_of_tests_are_read_as_configurations_are(tmp_path: Path, content: bytes, told: str) -> None:
    """Nothing behind a limit is left out in silence, and faults have their place."""
    file = tmp_path / "tests.yaml"
    file.write_bytes(content)
    with pytest.raises(Invalid) as caught:
        cases.read(file, ["logs"], {}, tmp_path)
    assert [f"{d.line}:{d.column} {d.code} {d.message}" for d in caught.value.diagnostics] == [told]
