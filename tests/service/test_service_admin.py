"""The probes: what is not ready, and why."""

from aiohttp.test_utils import TestClient, TestServer

from shipper.core.clock import SystemClock
from shipper.core.telemetry import GRACE, Health, Meter
from shipper.service.observe.admin import admin_app
from shipper.service.observe.metrics import metrics_app


class Stopped(SystemClock):
    """A clock whose monotonic time the test moves."""

    time = 0.0

    def monotonic(self) -> float:
        return self.time


async def get(app, path):
    async with TestClient(TestServer(app)) as client, client.get(path) as answer:
        return answer.status, await (answer.json() if answer.content_type == "application/json" else answer.text())


async def test_ready_while_all_works():
    health = Health(SystemClock())
    health.ok("otlp")
    assert await get(admin_app(health, dict), "/readyz") == (200, {"ready": True, "reasons": []})
    assert (await get(admin_app(health, dict), "/livez"))[0] == 200


async def test_a_blocked_part_is_not_ready_at_once_and_says_which_and_why():
    health = Health(SystemClock())
    health.ok("github", "acme audit_log")
    health.fail("github", "other audit_log", "401: the token is wrong; make a new one", blocked=True)
    status, body = await get(admin_app(health, dict), "/readyz")
    assert status == 503
    [reason] = body["reasons"]
    assert reason["component"] == "github"
    assert reason["part"] == "other audit_log"
    assert reason["error"] == "401: the token is wrong; make a new one"
    assert "components" not in body


async def test_a_failing_part_is_not_ready_after_a_minute():
    clock = Stopped()
    health = Health(clock)
    health.fail("otlp", "", "connection refused")
    app = admin_app(health, dict)
    assert health.unready() == []
    clock.time = GRACE
    health.fail("otlp", "", "connection refused")
    assert (await get(app, "/readyz"))[0] == 503


async def test_verbose_shows_every_part():
    health = Health(SystemClock())
    health.ok("github", "acme audit_log", next_try=1_700_000_000_000_000_000, note="waits for quota")
    _, body = await get(admin_app(health, dict), "/readyz?verbose")
    [part] = body["components"]
    assert part["status"] == "ok"
    assert part["note"] == "waits for quota"
    assert part["next_try"] == "2023-11-14T22:13:20.000+00:00"


async def test_status_carries_what_the_service_says():
    _, body = await get(admin_app(Health(SystemClock()), lambda: {"version": "1"}), "/status")
    assert body == {"version": "1", "components": []}


async def test_metrics_are_prometheus_text_under_the_collectors_names():
    meter = Meter()
    meter.count("otelcol_receiver_accepted_log_records", 24, receiver="github/prod")
    meter.watch("otelcol_exporter_queue_size", lambda: 7, exporter="otlp")
    status, text = await get(metrics_app(meter), "/metrics")
    assert status == 200
    assert 'otelcol_receiver_accepted_log_records_total{receiver="github/prod"} 24.0' in text
    assert 'otelcol_exporter_queue_size{exporter="otlp"} 7.0' in text
    assert "otelcol_process_memory_rss " in text
    assert "otelcol_process_uptime_total " in text
    assert "# TYPE shipper_dead_letter_log_records_total counter" in text
