"""What a PEM certificate says of itself: when it ends and for which names it is. Read from its DER (RFC 5280, X.690)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _OID, _OCTETS = 0x30, 0x06, 0x04
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_VERSION, _EXTENSIONS, _DNS_NAME = 0xA0, 0xA3, 0x82
_SUBJECT_ALT_NAME = bytes((0x55, 0x1D, 0x11))
"""OID 2.5.29.17."""
_LONG = 0x80
"""From here a length says how many bytes it has itself."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a certificate says."""

    ends: float
    """UTC seconds."""
    names: tuple[str, ...]


def told(pem: str) -> Told | None:
    """What the first certificate of a PEM text says; None where the text holds none that can be read."""
    block = _BLOCK.search(pem)
    try:
        der = base64.b64decode("".join(block[1].split()), validate=True) if block else b""
        ((_, certificate),) = tuple(_parts(der))
        _, body = next(_parts(certificate))
        fields = [field for field in _parts(body) if field[0] != _VERSION]
        # serial number, signature, issuer, validity, subject, key, then what is optional
        validity = tuple(_parts(fields[3][1]))
        return Told(ends=_time(*validity[1]), names=tuple(_names(fields[6:])))
    except (binascii.Error, IndexError, StopIteration, ValueError):
        return None


def _parts(der: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, content) of each element.

    Raises:
        IndexError, ValueError: it is cut off.
    """
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length >= _LONG:
            count = length - _LONG
            length = int.from_bytes(der[at : at + count], "big")
            at += count
        if at + length > len(der):
            raise ValueError("an element is longer than what holds it")
        yield tag, der[at : at + length]
        at += length


def _time(tag: int, content: bytes) -> float:
    text = content.decode("ascii").removesuffix("Z")
    if tag == _UTC_TIME:
        # RFC 5280: a year of two digits from 50 is of the 20th century
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time stands where one should")
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()


def _names(optional: list[tuple[int, bytes]]) -> Iterator[str]:
    extensions = next((content for tag, content in optional if tag == _EXTENSIONS), b"")
    for _, every in _parts(extensions):
        for tag, extension in _parts(every):
            fields = tuple(_parts(extension)) if tag == _SEQUENCE else ()
            if not fields or fields[0] != (_OID, _SUBJECT_ALT_NAME):
                continue
            octets = next(content for tag, content in fields if tag == _OCTETS)
            for _, names in _parts(octets):
                yield from (name.decode("ascii") for kind, name in _parts(names) if kind == _DNS_NAME)
