"""Configurations that the tests of program and engine share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from spillway.config.model import Config
from spillway.core.values.overlay import BackendSetting, Overlay, Posture, ServiceSetting
from spillway.core.values.topology import Preference

REGIONS = {"asia-northeast1": "c", "europe-west4": "a", "us-east4": "b"}


def document(**topology: Any) -> dict[str, Any]:
    """A small configuration as the user writes it: one global pool over three regions, plain HTTP.

    It provisions, so it works under the role `build`, where the sandbox enforces it.
    """
    return {
        "cloud": "sandbox",
        "project": "demo-project",
        "name": "lb",
        "sandbox": {"scenario": "none.yaml", "role": "build"},
        "topology": {
            "frontends": {"http": {}},
            "default_service": "pool",
            "health_checks": {"ready": {}},
            "regions": {
                region: {
                    "groups": [{"zone": f"{region}-{zone}", "neg": f"api-{region}"}],
                    "balancing": {"mode": "RATE", "max_rate_per_endpoint": 10},
                }
                for region, zone in REGIONS.items()
            },
            "services": {"pool": {"health_check": "ready", "regions": "all", "outlier_detection": {}}},
            **topology,
        },
    }


def config(**topology: Any) -> Config:
    """The same, validated."""
    return Config.model_validate(document(**topology))


def overlay(
    scalers: dict[str, float | None] | None = None,
    *,
    posture: Posture = Posture.NORMAL,
    service: str = "pool",
    regions: tuple[str, ...] = tuple(REGIONS),
) -> Overlay:
    """Every region a member at 1 but for `scalers`; None there is no member."""
    wanted: dict[str, float | None] = {**dict.fromkeys(regions, 1.0), **(scalers or {})}
    settings = tuple(
        BackendSetting(
            region=region, member=scaler is not None, scaler=scaler or 0.0, preference=Preference.DEFAULT
        )
        for region, scaler in sorted(wanted.items())
    )
    return Overlay(services=(ServiceSetting(service=service, posture=posture, backends=settings),))


def without_a_sandbox(folder: Path) -> Path:
    """A configuration file for a sandbox that does not run, and a daemon that does not either."""
    (folder / "none.yaml").write_text("")
    raw = document()
    raw["sandbox"].update(http="127.0.0.1:1", grpc="127.0.0.1:3")
    raw["daemon"] = {"state_dir": str(folder / "state"), "listen": "127.0.0.1:2"}
    file = folder / "spillway.yaml"
    file.write_text(yaml.safe_dump(raw))
    return file
