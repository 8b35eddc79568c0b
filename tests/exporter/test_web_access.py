"""TLS and the bearer token of the web server, and the commands that ask it."""

from __future__ import annotations

import http.client
import logging
import shutil
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.kit.tls import self_signed

from spillway.adapters import web_tls
from spillway.adapters.stopped import Stopped
from spillway.adapters.web import Web
from spillway.cli.connection import Trust, open_url, trust_of, url_of
from spillway.cli.main import main
from spillway.cli.status import fetch_status
from spillway.compose.staying import _access
from spillway.config.access import Access, token_flaw
from spillway.config.model import DaemonConfig
from spillway.errors import PermanentError, TemporaryError
from spillway.exits import Exit

TOKEN = "T0ken-" + "a" * 40
OTHER = "T0ken-" + "b" * 40
Serve = Callable[[Access], Web]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as running:

        def start(access: Access) -> Web:
            web = Web("127.0.0.1:0", Stopped("a test"), access=access)
            web.start()
            running.callback(web.stop)
            return web

        yield start


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    return file


def ask(web: Web, path: str, *headers: tuple[str, str]) -> tuple[int, dict[str, str], bytes]:
    at = urlsplit(web.url)
    with closing(http.client.HTTPConnection(at.hostname or "", at.port, timeout=5)) as client:
        client.putrequest("GET", path)
        for name, value in headers:
            client.putheader(name, value)
        client.endheaders()
        answer = client.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


def connected(web: Web) -> socket.socket:
    at = urlsplit(web.url)
    return socket.create_connection((at.hostname or "", at.port or 0), timeout=5)


def bearer(token: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {token}")


def secured(tmp_path: Path, token: Path | None, *, address: str = "") -> Access:
    certificate, key = self_signed(tmp_path, "spillway.example.com", address=address)
    return Access(certificate_file=certificate, private_key_file=key, token_file=token)


PATHS = (
    "/", "/page/page.js", "/metrics", "/status", "/history", "/decisions", "/explain", "/nothing", "/healthz/", "//healthz",
    "/readyz/../status", "/healthz%2f", "/HEALTHZ",
)  # fmt: skip


def test_every_address_but_the_probes_asks_for_the_token(serve: Serve, token: Path) -> None:
    web = serve(Access(token_file=token))
    for path in PATHS:
        status, headers, body = ask(web, path)
        assert (path, status, headers["www-authenticate"]) == (path, 401, 'Bearer realm="spillway"')
        assert headers["x-frame-options"] == "DENY"
        assert TOKEN.encode() not in body
        assert ask(web, path, bearer(TOKEN))[0] != 401


def test_the_probes_answer_without_a_token(serve: Serve, token: Path) -> None:
    web = serve(Access(token_file=token))
    assert (ask(web, "/healthz")[0], ask(web, "/readyz")[0]) == (200, 503)


REFUSED: tuple[tuple[tuple[str, str], ...], ...] = (
    (bearer(OTHER),), (bearer(TOKEN[:-1]),), (bearer(TOKEN + "a"),), (bearer(""),), (bearer("a" * 60_000),), (bearer("\xff" * 40),),
    (("Authorization", f"Basic {TOKEN}"),), (("Authorization", TOKEN),), (bearer(TOKEN), bearer(OTHER)),
)  # fmt: skip


def test_another_token_is_refused(serve: Serve, token: Path) -> None:
    web = serve(Access(token_file=token))
    for headers in REFUSED:
        status, answer, _ = ask(web, "/status", *headers)
        assert (headers, status) == (headers, 401)
        assert 'error="invalid_token"' in answer["www-authenticate"]


def test_the_token_is_read_again_and_none_is_right_while_the_file_has_none(
    serve: Serve, token: Path, caplog: pytest.LogCaptureFixture
) -> None:
    web = serve(Access(token_file=token))
    assert ask(web, "/status", ("authorization", f"bearer {TOKEN}"))[0] == 200
    token.write_text(OTHER + "x")
    assert [ask(web, "/status", bearer(text))[0] for text in (TOKEN, OTHER + "x")] == [401, 200]
    with caplog.at_level(logging.WARNING):
        token.write_text("sh0rt")
        assert ask(web, "/status", bearer("sh0rt"))[0] == 401
        token.unlink()
        assert ask(web, "/status", bearer(OTHER + "x"))[0] == 401
    assert "5 characters" in caplog.text
    assert "sh0rt" not in caplog.text


def test_https_serves_and_the_commands_trust_its_certificate_alone(
    serve: Serve, token: Path, tmp_path: Path
) -> None:
    access = secured(tmp_path, token)
    web = serve(access)
    assert web.url.startswith("https://127.0.0.1:")
    trust = Trust(token_file=token, certificate_file=access.certificate_file)
    assert fetch_status(web.url, trust)["schema"] == 1
    stranger, _ = self_signed(tmp_path, "stranger")
    with pytest.raises(TemporaryError, match="another one"):
        fetch_status(web.url, Trust(token_file=token, certificate_file=stranger))
    with pytest.raises(TemporaryError, match=r"(?i)certificate"):
        fetch_status(web.url, Trust(token_file=token))
    with pytest.raises(TemporaryError, match=r"(?i)certificate"):
        fetch_status(web.url, Trust(token_file=token, ca=access.certificate_file))


def test_with_an_authority_the_name_counts(serve: Serve, token: Path, tmp_path: Path) -> None:
    access = secured(tmp_path, token, address="127.0.0.1")
    web = serve(access)
    assert fetch_status(web.url, Trust(token_file=token, ca=access.certificate_file))["schema"] == 1


def test_tls_before_1_2_is_refused(serve: Serve, tmp_path: Path) -> None:
    access = secured(tmp_path, None)
    assert access.certificate_file is not None
    assert access.private_key_file is not None
    context = web_tls.Certificate(access.certificate_file, access.private_key_file).context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    at = urlsplit(serve(access).url)
    for version, good in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the old version is what is tried
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = version
        with socket.create_connection((at.hostname or "", at.port or 0), timeout=5) as plain:
            if good:
                context.wrap_socket(plain).close()
            else:
                with pytest.raises(ssl.SSLError, match=r"ALERT_PROTOCOL_VERSION|EOF"):
                    context.wrap_socket(plain)


def test_a_new_certificate_serves_without_a_restart_and_half_a_pair_changes_nothing(
    serve: Serve, tmp_path: Path
) -> None:
    access = secured(tmp_path, None)
    assert access.certificate_file is not None
    assert access.private_key_file is not None
    web = serve(access)
    old = Path(shutil.copy(access.certificate_file, tmp_path / "old.crt"))
    certificate, key = self_signed(tmp_path, "renewed")
    shutil.copy(certificate, access.certificate_file)
    assert fetch_status(web.url, Trust(certificate_file=old))["schema"] == 1
    shutil.copy(key, access.private_key_file)
    assert fetch_status(web.url, Trust(certificate_file=certificate))["schema"] == 1


def test_connections_without_a_handshake_are_bounded_and_keep_nobody_out(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_tls, "MOST_SOCKETS", 3)
    access = secured(tmp_path, None)
    web = serve(access)
    with ExitStack() as held:
        silent = [held.enter_context(connected(web)) for _ in range(4)]
        silent[0].settimeout(3)  # less than the deadline of a handshake
        assert silent[0].recv(1) == b""
        assert fetch_status(web.url, Trust(certificate_file=access.certificate_file))["schema"] == 1


def test_a_handshake_has_a_deadline(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_tls, "HEAD_SECONDS", 0.1)
    with connected(serve(secured(tmp_path, None))) as silent:
        assert silent.recv(1) == b""


def test_files_that_are_no_pair_stop_the_start(tmp_path: Path) -> None:
    certificate, _ = self_signed(tmp_path, "one")
    _, key = self_signed(tmp_path, "two")
    with pytest.raises(TemporaryError, match=r"daemon\.tls"):
        Web(
            "127.0.0.1:0", Stopped("x"), access=Access(certificate_file=certificate, private_key_file=key)
        ).bind()


def test_a_refused_command_says_what_is_missing(serve: Serve, token: Path, tmp_path: Path) -> None:
    web = serve(Access(token_file=token))
    other = tmp_path / "other"
    other.write_text(OTHER)
    for trust, why in (
        (Trust(), "has no daemon.token_file"),
        (Trust(token_file=other), "not its own"),
        (Trust(token_file=tmp_path / "none"), "cannot be read"),
    ):
        with pytest.raises(PermanentError, match=why) as caught:
            fetch_status(web.url, trust)
        assert OTHER not in str(caught.value)
    assert fetch_status(web.url, Trust(token_file=token))["schema"] == 1


def test_no_token_goes_over_http_to_another_machine(token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str | None] = []

    def keep(opener: object, request: object, timeout: float) -> None:
        sent.append(request.get_header("Authorization"))  # type: ignore[attr-defined]
        raise ConnectionRefusedError

    monkeypatch.setattr("urllib.request.OpenerDirector.open", keep)
    for url in ("http://192.0.2.1:9464/", "https://192.0.2.1:9464/", "http://127.0.0.1:9464/"):
        with pytest.raises(ConnectionRefusedError):
            open_url(url, Trust(token_file=token), 1.0)
    assert sent == [None, f"Bearer {TOKEN}", f"Bearer {TOKEN}"]


def test_commands_take_token_and_certificate_from_the_configuration(
    serve: Serve, token: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    access = secured(tmp_path, token)
    web = serve(access)
    config = tmp_path / "spillway.yaml"
    tls = "{certificate_file: spillway.example.com.crt, private_key_file: spillway.example.com.key}"
    config.write_text(
        f"daemon: {{state_dir: {tmp_path}, listen: '{urlsplit(web.url).netloc}', tls: {tls}, token_file: token}}\n"
    )
    for more in ([], ["--url", web.url]):
        assert main(["status", "-c", str(config), "--json", *more]) == Exit.OK
        assert main(["history", "-c", str(config), "--json", *more]) == Exit.OK
        said = capsys.readouterr()
        assert "No daemon answers" not in said.err
        assert TOKEN not in said.out + said.err


def test_a_daemon_on_all_interfaces_is_asked_on_this_machine(tmp_path: Path) -> None:
    assert [url_of(DaemonConfig(listen=a)) for a in (":1", "0.0.0.0:1", "[::]:1", "10.0.0.1:1")] == [
        "http://127.0.0.1:1", "http://127.0.0.1:1", "http://[::1]:1", "http://10.0.0.1:1",
    ]  # fmt: skip
    assert trust_of(DaemonConfig(), None) == Trust()


@pytest.mark.parametrize(
    ("daemon", "closed"),
    [
        ("{listen: '0.0.0.0:9464', token_fil: token}", True),
        ("{listen: '0.0.0.0:9464', secret: token}", True),
        ("{token_file: nowhere}", True),
        ("{tls: {certificate_file: a, private_key_file: b}}", True),
        ("{token_file: token}", False),
        ("{tick: 1s}", False),
        ("{}", False),
    ],
)
def test_a_daemon_stopped_by_its_configuration_is_not_open_by_a_mistake_in_it(
    tmp_path: Path, token: Path, daemon: str, closed: bool
) -> None:
    config = tmp_path / "spillway.yaml"
    config.write_text(f"cloud: gcp\ndaemon: {daemon}\n")
    listen = "0.0.0.0:9464" if "0.0.0.0" in daemon else "127.0.0.1:9464"
    access = _access(config, listen)
    assert access.closed is closed
    assert (access.token_file == token) is (daemon == "{token_file: token}")


def test_a_closed_server_answers_the_probes_alone(serve: Serve) -> None:
    web = serve(Access(closed=True))
    assert ask(web, "/healthz")[0] == 200
    assert ask(web, "/status", bearer(TOKEN))[0] == 401


@pytest.mark.parametrize(
    ("text", "flaw"), [("a" * 31, "31"), ("a" * 513, "513"), ("a b" * 20, "character"), ("a" * 32, "")]
)
def test_a_token_has_a_length_and_an_alphabet(text: str, flaw: str) -> None:
    said = token_flaw(text)
    assert (flaw in said) if flaw else said == ""
