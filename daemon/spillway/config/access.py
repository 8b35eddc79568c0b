"""Who may ask the web server: its TLS files and its bearer token."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from spillway.config.fields import Model
from spillway.config.reading import read_bounded

LEAST_TOKEN = 32
"""Characters. Of random hexadecimal digits these are 128 bits."""
MOST_TOKEN = 512
"""Characters. A longer one is compared with nothing."""
_MOST_FILE = 4096
"""Bytes of the file."""
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What a bearer token is made of (RFC 6750, 2.1)."""


class WebTlsConfig(Model):
    """Certificate and key of the daemon's own web server. Both files are read again when they change."""

    certificate_file: str
    """PEM file: the certificate of this address, then the rest of its chain."""
    private_key_file: str
    """PEM file with its unencrypted private key; the daemon's user reads it, and nobody else should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a web server lets clients in; by default over HTTP and everybody."""

    certificate_file: Path | None = None
    """With the key: HTTPS."""
    private_key_file: Path | None = None
    token_file: Path | None = None
    closed: bool = False
    """Nobody gets in, and only the probes /healthz and /readyz are answered."""


def access_of(tls: WebTlsConfig | None, token_file: str | None) -> Access:
    """The access that the section `daemon` describes; names of files in it are absolute."""
    return Access(
        certificate_file=Path(tls.certificate_file) if tls else None,
        private_key_file=Path(tls.private_key_file) if tls else None,
        token_file=Path(token_file) if token_file is not None else None,
    )


def token_flaw(text: str) -> str:
    """What is wrong with a token; empty where nothing is. No message holds the token."""
    if not LEAST_TOKEN <= len(text) <= MOST_TOKEN:
        return f"the token has {len(text)} characters, and {LEAST_TOKEN} to {MOST_TOKEN} are wanted"
    if not _TOKEN.fullmatch(text):
        return "the token has a character other than letters, digits and - . _ ~ + /"
    return ""


def read_token(file: Path) -> str:
    """The token that a file holds, without white space around it.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds no token; the message does not hold its text.
    """
    content = read_bounded(file, _MOST_FILE)
    text = content.decode("ascii", errors="replace").strip()
    flaw = token_flaw(text) if len(content) <= _MOST_FILE else f"it has more than {_MOST_FILE} bytes"
    if flaw:
        raise ValueError(flaw)
    return text
