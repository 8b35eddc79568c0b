"""The one place that picks concrete classes for a configuration. Heavy libraries are imported only by what needs them."""

from __future__ import annotations

from spillway.compose.running import daemon
from spillway.compose.staying import stay
from spillway.compose.tools import Provisioner, exclusive, provisioner, standing_resources

__all__ = ["Provisioner", "daemon", "exclusive", "provisioner", "standing_resources", "stay"]
