"""What the search for ceilings may do, and the ceilings that follow from what a region takes."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from spillway.core.predict import Region
from spillway.core.units import SCALER_FLOOR

SLIVER = 0.85
"""Share of its capacity from which a ceiling counts as all of it for the floor of what is carried."""

KEEP = 0.9
"""Share of its capacity that a capped region keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the search may do."""

    movable: tuple[bool, ...]
    lowest: tuple[float, ...]
    """Smallest scaler for each region: 0 where it may be closed."""
    highest: tuple[float, ...]
    """Largest scaler for each region."""
    receiver_limit: float
    nominal: tuple[float, ...]
    """Target x healthy share of each region, requests/s: what a floor counts for an open ceiling."""
    floor: float
    """Sum of nominal x scaler that must stay, requests/s."""
    sure: float
    """Requests/s that must be known to be carried well where that sum is less."""
    carries: float
    """Requests/s that all open regions together must be able to carry well."""
    measured: bool
    """True if some region is seen to be saturated: a shortage of targets alone is no shortage of machines."""
    tight: bool
    """True if all regions together cannot carry what a floor demands: then receivers are filled past their limit if need be."""
    short: bool
    """True if all regions together cannot carry the forecast."""


def hundredths(value: float) -> float:
    """The scaler at or below `value` in hundredths, never between 0 and the smallest legal one."""
    return min(1.0, max(SCALER_FLOOR, floor(value * 100.0 + 1e-6) / 100.0))


def capped(region: Region, keep: float = KEEP) -> float:
    """The scaler at which `region` is full at `keep` of what it can take."""
    return scaler_for(region, keep * region.takes)


def scaler_for(region: Region, rate: float) -> float:
    """The scaler at which `region` is full at `rate` requests/s."""
    if region.ceiling <= 0.0:
        return 1.0
    return hundredths(rate / region.ceiling)


def edge_of(region: Region) -> float:
    """Requests/s of ceiling from which all that `region` can take is known to be open.

    A ceiling beyond what a region was found to take is no capacity, and lowering it takes none away, nor does the sliver
    below. Where nothing was found, its target counts to the last request.
    """
    return SLIVER * region.likely if region.proven else region.likely
