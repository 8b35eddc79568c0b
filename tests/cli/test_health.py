"""`spillway health`: asks the daemon where its configuration says that it listens."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tests.kit.tls import self_signed

from spillway.cli import status
from spillway.cli.main import main
from spillway.exits import Exit


class V6(HTTPServer):
    address_family = socket.AF_INET6


@contextmanager
def answering(
    answers: dict[str, tuple[int, str]], host: str = "127.0.0.1", server: type[HTTPServer] = HTTPServer
) -> Iterator[int]:
    """A server with these answers by path; its port."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, sentence = answers[self.path]
            self.send_response(code)
            self.end_headers()
            self.wfile.write(f"{sentence}\n".encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name is the base class's
            """Says nothing."""

    found = server((host, 0), Answers)
    thread = Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield int(found.server_address[1])
    finally:
        found.shutdown()
        thread.join()
        found.server_close()


WELL = {"/healthz": (200, "the last pass ended 3 s ago"), "/readyz": (503, "no tick is done yet")}


def config(folder: Path, listen: str) -> str:
    path = folder / "spillway.yaml"
    path.write_text(f"daemon: {{listen: '{listen}', state_dir: '{folder}'}}\nnonsense: 1\n", encoding="utf-8")
    return str(path)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "", "localhost"])
def test_it_asks_where_the_configuration_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    """An address that means every interface is none to ask at; mistakes elsewhere in the file do not matter."""
    with answering(WELL) as port:
        path = config(tmp_path, f"{host}:{port}")
        assert main(["health", "-c", path]) == Exit.OK
        assert capsys.readouterr().out == "the last pass ended 3 s ago\n"
        assert main(["health", "-c", path, "--ready"]) == Exit.FAILED
        assert capsys.readouterr().err == "no tick is done yet\n"


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="SKIPPED LOUDLY: no IPv6 on this machine")
@pytest.mark.parametrize("host", ["[::1]", "[::]"])
def test_it_asks_over_ipv6(tmp_path: Path, host: str) -> None:
    with answering(WELL, "::1", V6) as port:
        assert main(["health", "-c", config(tmp_path, f"{host}:{port}")]) == Exit.OK


def test_a_daemon_that_does_not_answer_is_not_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    assert main(["health", "-c", config(tmp_path, f"0.0.0.0:{port}")]) == Exit.UNAVAILABLE
    assert f"no daemon answers at http://127.0.0.1:{port}/healthz" in capsys.readouterr().err


@pytest.mark.parametrize("status", ["200 OK", "503 Service Unavailable"])
def test_an_answer_that_breaks_off_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], status: str
) -> None:
    """The connection is reset after the head of the answer, as by a daemon that is killed meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 50\r\n\r\nok".encode())
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        thread = Thread(target=answer)
        thread.start()
        path = config(tmp_path, f"127.0.0.1:{listener.getsockname()[1]}")
        code = main(["health", "-c", path])
        thread.join()
    assert code == Exit.UNAVAILABLE
    assert "no daemon answers at" in capsys.readouterr().err


def test_a_daemon_that_still_serves_at_the_address_before_a_change_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(WELL) as port:
        monkeypatch.setattr(status, "told_page", lambda _: f"http://0.0.0.0:{port}")
        assert main(["health", "-c", config(tmp_path, f"127.0.0.1:{free_port()}")]) == Exit.OK


def test_the_module_alone_does_the_same_and_imports_little(tmp_path: Path) -> None:
    """The image asks twice a minute: the whole command line takes a second of processor time to start."""
    program = (
        "import sys; from spillway.cli.health import main; code = main(); "
        "print(sorted({'numpy', 'pydantic', 'rich', 'grpc'} & set(sys.modules))); sys.exit(code)"
    )

    def run(port: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, "-c", config(tmp_path, f"0.0.0.0:{port}")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=dict(os.environ),
        )

    with answering(WELL) as port:
        result = run(port)
    assert (result.returncode, result.stdout) == (0, "the last pass ended 3 s ago\n[]\n")
    result = run(free_port())
    assert result.returncode == Exit.UNAVAILABLE
    assert result.stderr.startswith("no daemon answers at ")


def test_a_daemon_with_tls_is_asked_over_tls_and_nobody_else_is_believed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate, key = self_signed(tmp_path, "spillway.example.com")
    stranger, _ = self_signed(tmp_path, "stranger")

    class Tls(HTTPServer):
        def server_activate(self) -> None:
            super().server_activate()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    with answering(WELL, server=Tls) as port:
        for known, code in ((certificate, Exit.OK), (stranger, Exit.UNAVAILABLE)):
            text = f"daemon:\n  listen: '127.0.0.1:{port}'\n  state_dir: '{tmp_path}'\n  tls: {{certificate_file: '{known}', private_key_file: '{key}'}}\n"
            (tmp_path / "spillway.yaml").write_text(text, encoding="utf-8")
            assert main(["health", "-c", str(tmp_path / "spillway.yaml")]) == code
    assert capsys.readouterr().out == "the last pass ended 3 s ago\n"


def test_probes_are_answered_over_plain_http_where_the_certificate_cannot_be_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate, key = self_signed(tmp_path, "spillway.example.com")
    with answering(WELL) as port:
        text = f"daemon:\n  listen: '127.0.0.1:{port}'\n  state_dir: '{tmp_path}'\n  tls: {{certificate_file: '{certificate}', private_key_file: '{key}'}}\n"
        (tmp_path / "spillway.yaml").write_text(text, encoding="utf-8")
        assert main(["health", "-c", str(tmp_path / "spillway.yaml")]) == Exit.OK
    assert capsys.readouterr().out == "the last pass ended 3 s ago\n"
