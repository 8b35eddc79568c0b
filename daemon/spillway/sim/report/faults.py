"""Faults in a few words, for the shaded stretches of the plots."""

from __future__ import annotations

from spillway.sim.faults import Fault


def words(fault: Fault) -> str:
    """`us-east4 slow x3`."""
    strength = {
        "slow": f" x{fault.factor:g}",
        "slow-leak": f" to x{fault.factor:g}",
        "errors": f" {fault.ratio:.0%}",
        "fast-failures": f" {fault.ratio:.0%} with {fault.code}",
        "capacity-loss": f" {fault.ratio:.0%}",
        "gray": f" {fault.ratio:.0%} x{fault.factor:g}",
        "flapping": f" {fault.ratio:.0%}",
        "quota": f" {fault.rps:g} requests/s",
        "metrics-partial": f" {fault.ratio:.0%}",
        "metrics-late": f" {fault.delay:g} s",
        "write-slow": f" x{fault.factor:g}",
        "outside-edit": f" to {fault.scaler:g}",
    }.get(fault.kind, "")
    place = f"{fault.region} " if fault.region else ""
    zone = f" in zone {fault.zone}" if fault.zone is not None else ""
    return f"{place}{fault.kind}{strength}{zone}"
