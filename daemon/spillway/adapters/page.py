"""The live page: one HTML file without external assets, and the content policy that fits exactly its parts."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

PAGE = files("spillway.adapters").joinpath("page.html").read_text(encoding="utf-8")


def _digests(tag: str) -> str:
    """CSP sources for the inline `tag` elements of the page."""
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", PAGE, re.DOTALL)
    return " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in found
    )


POLICY = (
    f"default-src 'none'; script-src {_digests('script')}; style-src {_digests('style')}; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing but the page's own style and script runs, and it talks to this server alone."""
