"""The one place that picks concrete classes for a configuration. Heavy libraries are imported only by what needs them."""

from __future__ import annotations

from spillway.compose.running import daemon
from spillway.compose.tools import Hands, exclusive, hands

__all__ = ["Hands", "daemon", "exclusive", "hands"]
