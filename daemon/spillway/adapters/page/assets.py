"""The files of the page, and the content policy under which a browser runs them.

The document holds no script and no style of its own: everything is a file of this server. Nothing comes from elsewhere.
Scripts and style are read when they are first asked for, and kept packed: the plotting library is 4.8 MB, 1.5 MB packed.
A daemon whose page nobody opens reads none of it.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from spillway import plotting

_HERE = Path(__file__).parent

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""Scripts and style are files of this server, nothing runs that stands in a document, and the page talks to this server alone."""

_SCRIPT, _STYLE = "text/javascript", "text/css"

_PLACES: Mapping[str, tuple[Callable[[], Path], str]] = MappingProxyType(
    {
        "page.css": (lambda: _HERE / "page.css", _STYLE),
        "page.js": (lambda: _HERE / "page.js", _SCRIPT),
        "text.js": (lambda: _HERE / "text.js", _SCRIPT),
        "now.js": (lambda: _HERE / "now.js", _SCRIPT),
        "services.js": (lambda: _HERE / "services.js", _SCRIPT),
        "plots.js": (lambda: _HERE / "plots.js", _SCRIPT),
        "decisions.js": (lambda: _HERE / "decisions.js", _SCRIPT),
        "figure.css": (lambda: plotting.STYLE, _STYLE),
        "figure.js": (lambda: plotting.FIGURE, _SCRIPT),
        "plotly.js": (plotting.library, _SCRIPT),
    }
)
"""Where each file of the page lies, and its type. No other name is served, so no name reaches the disk."""

NAMES = tuple(_PLACES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file, ready to be served."""

    media_type: str
    tag: str
    """Changes with the content: `ETag`."""
    packed: bytes
    """With gzip."""

    def plain(self) -> bytes:
        """For a client that does not unpack."""
        return gzip.decompress(self.packed)


@cache
def asset(name: str) -> Asset | None:
    """A file of the page; None where it has none of that name.

    Raises:
        SpillwayError: the plotting library is not installed whole.
    """
    if name not in _PLACES:
        return None
    find, media_type = _PLACES[name]
    body = find().read_bytes()
    return Asset(
        media_type=media_type,
        tag=f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        packed=gzip.compress(body, 6, mtime=0),
    )


@cache
def document() -> tuple[str, str]:
    """The document before and after the place of the first state."""
    before, _, after = (_HERE / "index.html").read_text(encoding="utf-8").partition("<!-- first state -->")
    return before, after
