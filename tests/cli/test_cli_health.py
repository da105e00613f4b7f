"""`shipper health`: the exit code of a probe."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from click.testing import CliRunner

from shipper.cli import main


@pytest.fixture
def probe():
    """A server whose answers are given one after the other, the last one for ever."""
    answers: list[int] = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(f"{self.path} {status}\n".encode())

        def log_message(self, *_args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield answers, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def run(*arguments: str):
    return CliRunner().invoke(main, ["health", *arguments])


def test_a_good_answer_is_printed_and_is_0(probe):
    result = run("--url", f"{probe[1]}/readyz?verbose")
    assert (result.exit_code, result.stdout) == (0, "/readyz?verbose 200\n")


def test_a_bad_answer_is_printed_and_is_69(probe):
    probe[0][:] = [503]
    result = run("--url", f"{probe[1]}/readyz")
    assert (result.exit_code, result.stderr) == (69, "/readyz 503\n")


def test_no_answer_is_69(probe):
    result = run("--url", "http://127.0.0.1:1/livez")
    assert result.exit_code == 69
    assert "does not answer (Connection refused); is the shipper running there?" in result.stderr


def test_it_waits_until_the_answer_is_good(probe, monkeypatch):
    monkeypatch.setattr("shipper.cli.health._PAUSE", 0)
    probe[0][:] = [503, 503, 200]
    assert run("--url", f"{probe[1]}/readyz", "--wait", "60s").exit_code == 0


def test_the_environments_proxy_is_not_asked(probe, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert run("--url", f"{probe[1]}/livez").exit_code == 0


def test_other_schemes_are_refused():
    assert run("--url", "file:///etc/passwd").exit_code == 2
