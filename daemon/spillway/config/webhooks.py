"""Webhooks: where alarms are told, and what a URL of one may be."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from spillway.config.fields import KINDS, Model

MOST_WEBHOOKS = 8
LONGEST_URL = 2000
"""Characters of a URL."""
_LONGEST_LABEL = 63
"""Characters between two dots of a host name (RFC 1035, 2.3.4)."""

_ODD = re.compile(r"[^\x21-\x7e]")
"""What no URL holds: spaces, control characters, anything beyond ASCII."""


def url_flaw(url: str) -> str:
    """What is wrong with the URL of a webhook; empty where nothing is. The URL is a secret, so no message holds it."""
    if len(url) > LONGEST_URL or _ODD.search(url):
        return f"the URL has a space, an odd character, or more than {LONGEST_URL} characters"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "this is no URL"
    if parts.scheme not in {"https", "http"} or not host:
        return "this is no https URL"
    if any(not 1 <= len(label) <= _LONGEST_LABEL for label in host.removesuffix(".").split(".")):
        return "the URL has a host name that no host can have"
    if parts.scheme == "http" and not _is_loopback(host):
        return "the URL is http, and its receiver is not on this machine: anybody on the way could read it"
    if parts.username is not None or parts.fragment:
        return "the URL has a user name or a fragment"
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _webhook_url(value: str) -> str:
    flaw = url_flaw(value)
    if flaw:
        raise ValueError(f"{flaw}; write one such as https://hooks.example.com/spillway")
    return value


KINDS[_webhook_url] = "https URL"


class WebhookConfig(Model):
    """One receiver of alarms. Its URL is treated as a secret: it stands in no log, answer or message."""

    url: Annotated[str, AfterValidator(_webhook_url)] | None = Field(default=None, repr=False)
    """Where messages are sent by POST: https, or http on this machine. Redirects are not followed. Either this or `url_file`."""
    url_file: str | None = None
    """File that holds the URL alone, for URLs that nobody may read in the configuration. It is read at each message."""
    format: Literal["json", "slack"] = "json"
    """`json` sends the alarms as `/status` has them, each with `status` (`firing` or `resolved`); `slack` what an incoming webhook of Slack takes."""
    severities: Annotated[
        tuple[Literal["page", "ticket", "note"], ...], Field(min_length=1, max_length=3)
    ] = ("page", "ticket")
    """Alarms that are told here."""
