"""Asking the daemon over HTTP: the token that it wants, and the certificate that it must have."""

from __future__ import annotations

import hmac
import http.client
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from spillway.cli.options import address_on_this_machine
from spillway.config.access import read_token
from spillway.config.model import DaemonConfig
from spillway.config.reading import read_bounded
from spillway.errors import PermanentError, SpillwayError, TemporaryError, root_cause

LARGEST_ANSWER = 64 << 20
"""Bytes of an answer of the daemon that are read; what is longer is cut, and then no JSON."""
_MOST_PEM = 1 << 20
"""Bytes of a certificate file."""
_END = "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What a command shows to the daemon, and how it knows the daemon. Without anything: no token, and the system's authorities."""

    token_file: Path | None = None
    certificate_file: Path | None = None
    """The daemon's own certificate: exactly this one is wanted, whatever name it is for."""
    ca: Path | None = None
    """Authorities beside the system's; then the name in the URL counts, and `certificate_file` does not."""


def trust_of(daemon: DaemonConfig, ca: Path | None) -> Trust:
    """The trust that a configuration describes; names of files in it are absolute."""
    return Trust(
        token_file=Path(daemon.token_file) if daemon.token_file is not None else None,
        certificate_file=Path(daemon.tls.certificate_file) if daemon.tls is not None else None,
        ca=ca,
    )


def url_of(daemon: DaemonConfig) -> str:
    """Where the daemon of a configuration serves; a daemon on all interfaces is asked on this machine's own."""
    return f"{'https' if daemon.tls is not None else 'http'}://{address_on_this_machine(daemon.listen)}"


def trust_at(config_path: Path, ca: Path | None) -> Trust:
    """The trust of a configuration for `--url`; where there is no configuration that can be read, `ca` alone."""
    from spillway.config import load

    try:
        return trust_of(load.daemon_section(config_path), ca)
    except SpillwayError:
        return Trust(ca=ca)


def open_url(url: str, trust: Trust, deadline: float) -> http.client.HTTPResponse:
    """The answer to a GET, straight and not through a proxy of the environment: the daemon is near by as a rule.

    The token goes only over HTTPS or to this machine, and follows no redirect.

    Raises:
        PermanentError: the daemon asks for a token, and there is none or another one.
        urllib.error.HTTPError: any other refusal.
        OSError: nobody answers, or somebody with a certificate that is not trusted.
    """
    request = urllib.request.Request(url)  # noqa: S310 http and https alone, checked by the callers
    token, why = _token(url, trust)
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if url.startswith("https://"):
        handlers.append(_handler(trust))
    try:
        answer: http.client.HTTPResponse = urllib.request.build_opener(*handlers).open(
            request, timeout=deadline
        )
    except urllib.error.HTTPError as refused:
        if refused.code != http.client.UNAUTHORIZED:
            raise
        refused.close()
        raise PermanentError(
            f"the daemon at {url.partition('?')[0]} asks for a token, and {why or 'the one in daemon.token_file is not its own'}",
            remedy="-c names the daemon's configuration; its daemon.token_file must be readable for you.",
        ) from None
    return answer


def fetch_json(url: str, path: str, trust: Trust, deadline: float) -> dict[str, Any]:
    """The document that the daemon at `url` gives under `path`.

    Raises:
        urllib.error.HTTPError: it refuses the question.
        TemporaryError: nobody answers there in time or with at most `LARGEST_ANSWER`, or it is no Spillway.
        PermanentError: the daemon wants another token.
    """
    try:
        with open_url(f"{url}{path}", trust, deadline) as answer:
            document = json.loads(answer.read(LARGEST_ANSWER))
    except urllib.error.HTTPError:
        raise
    except (OSError, ValueError, http.client.HTTPException, RecursionError) as error:
        raise silent(url, error) from error
    if not isinstance(document, dict) or "schema" not in document:
        raise no_spillway(url)
    return document


def silent(url: str, error: Exception) -> TemporaryError:
    """What a command ends with where nobody answers, or not as a daemon does."""
    return TemporaryError(
        f"no daemon answers at {url}: {root_cause(error)}",
        remedy="Is it running (systemctl status spillway)? Is daemon.listen the same? --url names another address.",
    )


def no_spillway(url: str) -> TemporaryError:
    """What a command ends with where something else answers."""
    return TemporaryError(
        f"what answers at {url} is no Spillway", remedy="Is it the address of daemon.listen?"
    )


def _token(url: str, trust: Trust) -> tuple[str, str]:
    """The token for a URL; else an empty text, and why there is none."""
    if trust.token_file is None:
        return "", "the configuration has no daemon.token_file"
    if not url.startswith("https://") and not _is_here(urlsplit(url).hostname or ""):
        return "", "none is sent over http to another machine: write https"
    try:
        return read_token(trust.token_file), ""
    except OSError as error:
        return "", f"{trust.token_file} cannot be read: {error.strerror or error}"
    except ValueError as error:
        return "", f"of what {trust.token_file} holds, {error}"


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _handler(trust: Trust) -> urllib.request.HTTPSHandler:
    """HTTPS that trusts the daemon's own certificate, or authorities."""
    if trust.ca is None and trust.certificate_file is not None:
        return _PinnedHandler(_der_of(trust.certificate_file))
    context = ssl.create_default_context()
    if trust.ca is not None:
        context.load_verify_locations(trust.ca)
    return urllib.request.HTTPSHandler(context=context)


def _der_of(file: Path) -> bytes:
    """The first certificate of a PEM file.

    Raises:
        OSError: it cannot be read, or holds none.
    """
    text = read_bounded(file, _MOST_PEM).decode("ascii", errors="replace")
    begin = text.find("-----BEGIN CERTIFICATE-----")
    end = text.find(_END, begin)
    try:
        return ssl.PEM_cert_to_DER_cert(text[max(0, begin) : end + len(_END)])
    except ValueError:
        raise OSError(f"{file} holds no certificate in PEM form") from None


class _PinnedConnection(http.client.HTTPSConnection):
    """A connection to whoever has one certificate. It is compared before anything is sent."""

    def __init__(self, host: str, *, wanted: bytes, **options: Any) -> None:
        super().__init__(host, **options)
        self._wanted = wanted

    def connect(self) -> None:
        """Connect.

        Raises:
            OSError: the other side has another certificate.
        """
        super().connect()
        shown = self.sock.getpeercert(binary_form=True) or b""
        if not hmac.compare_digest(shown, self._wanted):
            self.close()
            raise OSError("its certificate is another one than daemon.tls.certificate_file (or give --ca)")


class _PinnedHandler(urllib.request.HTTPSHandler):
    def __init__(self, wanted: bytes) -> None:
        context = ssl.create_default_context()
        # the certificate itself is compared instead, so neither its name nor its issuer matters
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        super().__init__(context=context)
        self._pinning = context
        self._connection = partial(_PinnedConnection, wanted=wanted)

    def https_open(self, request: urllib.request.Request) -> Any:
        """Open a request over a pinned connection."""
        return self.do_open(self._connection, request, context=self._pinning)
