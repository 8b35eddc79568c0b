"""Names and checked numbers that every other module of the core uses."""

from __future__ import annotations

from math import isnan

RegionName = str
ServiceName = str

HOUR = 3600.0
"""Seconds."""

SCALER_FLOOR = 0.1
"""Smallest scaler that is not zero (google.cloud.compute_v1.types.Backend.capacity_scaler)."""

SCALER_STEP = 0.01
"""Scalers are written in hundredths: differences below are no change (reference: no-op suppression)."""


def is_legal_scaler(value: float) -> bool:
    """Tell whether the API takes this scaler: exactly 0, or 0.1 to 1.0 (py:Backend.capacity_scaler)."""
    return value == 0.0 or SCALER_FLOOR <= value <= 1.0


def legal_scaler(value: float) -> float:
    """Return the legal scaler nearest to `value`, in hundredths; under 0.05 is 0, 0.05 to 0.1 is 0.1.

    Raises:
        ValueError: `value` is not a number (NaN).
    """
    if isnan(value):
        raise ValueError("a capacity scaler cannot be NaN")
    if value < SCALER_FLOOR / 2:
        return 0.0
    return min(1.0, max(SCALER_FLOOR, round(value, 2)))
