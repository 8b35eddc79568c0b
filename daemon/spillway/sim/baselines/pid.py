"""`pid`: each region's load is brought to the fleet mean, with gains for a process that is mostly dead time.

Gains after S. Skogestad, "Simple analytic rules for model reduction and PID controller tuning", Journal of Process
Control 13 (2003) 291-309 (SIMC): for a first-order process with gain k, time constant tau and dead time theta,
Kc = tau / (k (tau_c + theta)), tau_I = min(tau, 4 (tau_c + theta)), no derivative, and tau_c = theta for tight
control with good margins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spillway.core.values.topology import SCALER_FLOOR
from spillway.sim.baselines.levers import Key, Levers
from spillway.sim.baselines.reading import MINUTES, Reading, Scene
from spillway.sim.baselines.script import TICK, Rule, Script

TAU = MINUTES * 60.0 / 2.0
"""Time constant in seconds: the process itself follows at once, the average over three minutes is half of them late."""

LEAST_SETPOINT = 0.8
"""Load below which no region is relieved: it is better served near its clients than level with a far one."""

LEAST_MOVE = 0.05
"""Change of a scaler that is worth a write."""

ROOM = 1.1
"""All ceilings together allow so many times the demand: below it they are raised in proportion, so that two loops that
relieve each other cannot starve the fleet."""

MOST = 4.0
"""Load at which the measurement saturates, and that of a region that answers nothing."""

GAIN_HALVES = 900.0
"""Seconds in which a measured process gain is half forgotten. Past its capacity a region's load rises steeply; with a
gain measured below it, a loop would climb back there at once, again and again."""

HELD = 0.5
"""Ceiling below which a region no longer counts as capacity when standby is asked for: levelling is no trouble."""

SMOOTH = 0.02
"""Weight of a tick in the slowly learnt ordinary latency; it learns only while all is well."""


@dataclass(slots=True, kw_only=True)
class _Loop:
    """One region's controller, in velocity form: its state is its output, clamped, so nothing can wind up."""

    output: float = 1.0
    error: float = 0.0
    seen: float = 0.0
    gain: float = 1.0
    """The largest gain of the process measured lately: load for one scaler's worth."""


class _PidRule:
    """See `Pid`."""

    def __init__(self, levers: Levers, dead_time: float) -> None:
        self._levers, self._dead_time = levers, dead_time
        self._loops = {k: _Loop() for k in levers.home}
        self._ordinary = 0.0

    def troubled(self, key: Key) -> bool:
        """True while the loop holds it below `HELD`."""
        return self._loops[key].output < HELD

    def decide(self, scene: Scene) -> Mapping[Key, float]:
        """One step of every loop whose region serves and has a new minute."""
        self._learn(scene)
        loads = {k: self._load(k, r) for k, r in scene.readings.items() if scene.scalers[k] > 0}
        full = _full(loads)
        for key, scaler in scene.scalers.items():
            loop = self._loops[key]
            if scaler == 0.0:
                loop.output, loop.error = 1.0, 0.0
                continue
            setpoint = max(LEAST_SETPOINT, self._mean(key[0], loads))
            if key[0] in full:
                loop.error = setpoint - loads.get(key, setpoint)
                continue
            self._step(loop, scene.readings.get(key), scaler, setpoint, loads.get(key, 0.0), key)
        for service in sorted({k[0] for k in scene.scalers}):
            self._make_room([k for k in self._levers.keys(service) if scene.scalers[k] > 0], scene)
        wanted: dict[Key, float] = {}
        for key, scaler in scene.scalers.items():
            if scaler == 0.0:
                continue
            loop = self._loops[key]
            whole = loop.output >= 1.0 and scaler < 1.0
            if abs(loop.output - scaler) >= LEAST_MOVE or whole:
                wanted[key] = loop.output
        return wanted

    def _make_room(self, keys: list[Key], scene: Scene) -> None:
        """Raise the open ceilings in proportion until they allow the demand, or are all full."""
        if not keys:
            return
        needed = ROOM * scene.demand(keys[0][0])
        for _ in keys:
            loops = [(self._loops[k], self._levers.targets[k]) for k in keys]
            total = sum(loop.output * target for loop, target in loops)
            below = [(loop, target) for loop, target in loops if loop.output < 1.0]
            if total >= needed or not below:
                return
            rising = sum(loop.output * target for loop, target in below)
            for loop, _target in below:
                loop.output = min(1.0, loop.output * (1.0 + (needed - total) / rising))

    def _step(
        self, loop: _Loop, reading: Reading | None, scaler: float, setpoint: float, load: float, key: Key
    ) -> None:
        if reading is None or reading.end <= loop.seen:
            return
        loop.seen = reading.end
        error = setpoint - load
        # a ceiling far above the load does nothing: track what is in effect before lowering it
        used = min(scaler, reading.rate / self._levers.targets[key])
        if error < 0:
            loop.output = min(loop.output, max(used, SCALER_FLOOR))
        kept = 1.0 + (loop.gain - 1.0) * 0.5 ** (TICK / GAIN_HALVES)
        loop.gain = max(kept, load / max(used, SCALER_FLOOR))
        proportional = TAU / (loop.gain * 2.0 * self._dead_time)
        move = proportional * (error - loop.error) + proportional / TAU * TICK * error
        loop.output = min(1.0, max(SCALER_FLOOR, loop.output + move))
        loop.error = error

    def _load(self, key: Key, reading: Reading) -> float:
        """Requests in flight (Little's law) over those at target and ordinary latency; each failed one counts as stuck."""
        slower = max(1.0, reading.mean / self._ordinary) if self._ordinary > 0 and reading.mean > 0 else 1.0
        used = reading.rate / self._levers.targets[key]
        return min(MOST, used * (1.0 - reading.failed) * slower + reading.failed * MOST)

    def _mean(self, service: str, loads: Mapping[Key, float]) -> float:
        """Load of the service's open regions together, by target."""
        mine = {k: v for k, v in loads.items() if k[0] == service}
        weight = sum(self._levers.targets[k] for k in mine)
        return sum(self._levers.targets[k] * v for k, v in mine.items()) / weight if weight else 0.0

    def _learn(self, scene: Scene) -> None:
        """The latency of an ordinary minute, over the fleet."""
        means = [r.mean for r in scene.readings.values() if r.mean > 0 and r.slow < LEAST_SETPOINT]
        if means:
            now = min(means)
            self._ordinary += (now - self._ordinary) * (SMOOTH if self._ordinary else 1.0)


def _full(loads: Mapping[Key, float]) -> frozenset[str]:
    """Services of which no region has room: what one is relieved of another gets, so the loops hold until one has."""
    services = {k[0] for k in loads}
    return frozenset(s for s in services if all(ROOM * v >= 1.0 for k, v in loads.items() if k[0] == s))


class Pid(Script):
    """Knows what Cloud Monitoring and health checks show, exactly as Spillway does; one loop for each region.

    The set-point is the fleet's mean load; a load is requests in flight against those of an ordinary minute at
    target, so that slow and failing regions count as full. Joins standby by utilisation.
    """

    name = "pid"

    def rule(self, levers: Levers, dead_time: float) -> Rule:
        """A fresh rule."""
        return _PidRule(levers, dead_time)
