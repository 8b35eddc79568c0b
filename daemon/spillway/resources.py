"""Files that come with Spillway: the demo's configuration and the scenarios."""

from __future__ import annotations

from pathlib import Path

from spillway.errors import SpillwayError

_HERE = Path(__file__).resolve().parent
_PLACES = (_HERE / "share" / "config", _HERE.parents[1] / "config")
"""Inside an installed package, or beside the source root of a checkout."""


def config_file(name: str) -> Path:
    """Path of a file below `config/`, such as `demo.yaml` or `scenarios/demo.yaml`.

    Raises:
        SpillwayError: this installation does not have it.
    """
    for place in _PLACES:
        if (place / name).is_file():
            return place / name
    raise SpillwayError(
        f"{name} did not come with this installation.",
        remedy="Install again, or name a configuration of your own with --config.",
    )
