"""Clock, observer and deployer for a configuration: Google's, or the sandbox's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from spillway.config import load
from spillway.config.model import Config
from spillway.config.names import url_map
from spillway.core.values.drift import DriftReport
from spillway.core.values.overlay import Overlay
from spillway.ports import Clock, Deployer

if TYPE_CHECKING:
    from spillway.adapters.engine.recovery import Recoveries
    from spillway.adapters.observer import CloudObserver


@runtime_checkable
class Closing(Protocol):
    """An adapter that holds connections or child processes."""

    def close(self) -> None:
        """Interrupt what runs, let go of the rest."""
        ...


def clock_of(config: Config) -> tuple[Clock, float]:
    """The world's clock, and its seconds in one real second.

    Raises:
        TemporaryError: the sandbox does not answer.
    """
    from spillway.adapters.clock import CloudClock, sandbox_clock

    if config.cloud == "gcp" or config.sandbox is None:
        return CloudClock(), 1.0
    clock = sandbox_clock(f"http://{config.sandbox.http}")
    return clock, clock.speed


def deployer_of(config: Config, clock: Clock | None = None, recoveries: Recoveries | None = None) -> Deployer:
    """The engine, which tells `recoveries` what it puts right.

    Given a clock it is the daemon's: drift is the policy's business, and a sandbox's world waits while it works.

    Raises:
        PermanentError: the one that is demanded is not installed.
    """
    from spillway.adapters.clock import SandboxClock
    from spillway.adapters.engine.choose import deployer
    from spillway.adapters.pausing import PausingDeployer

    state_dir = Path(config.daemon.state_dir)
    if clock is None:
        return deployer(config, state_dir, recoveries=recoveries)
    engine = deployer(config, state_dir, recoveries=recoveries, decides=False, now=clock.now)
    if isinstance(clock, SandboxClock) and config.sandbox is not None:
        return PausingDeployer(engine, f"http://{config.sandbox.http}", clock)
    return engine


def closer(deployer: Deployer) -> Callable[[], None]:
    """What closes an engine; nothing where it has nothing to close."""
    return deployer.close if isinstance(deployer, Closing) else lambda: None


@runtime_checkable
class Looking(Protocol):
    """An engine that looks at what others have set."""

    def look(self, overlay: Overlay) -> DriftReport | None:
        """What stands beside what (config, overlay) say."""
        ...


def look_of(deployer: Deployer) -> Callable[[Overlay], DriftReport | None] | None:
    """What looks at all parts; None where the engine does not."""
    return deployer.look if isinstance(deployer, Looking) else None


def observer_of(config: Config, clock: Clock) -> CloudObserver:
    """What the daemon observes with.

    Raises:
        PermanentError: there are no credentials for Google.
    """
    from spillway.adapters import google_http, monitoring
    from spillway.adapters.clock import CloudClock
    from spillway.adapters.compute import ComputeReader
    from spillway.adapters.observer import CloudObserver

    fleet, policies, settings = load.fleet(config), config.policies, config.daemon.observe
    sandbox = config.sandbox if config.cloud == "sandbox" else None
    bases = (
        {}
        if sandbox is None
        else {"compute": f"http://{sandbox.http}/compute/v1", "network_services": f"http://{sandbox.http}/v1"}
    )
    parallel = settings.health_parallel + 4
    session = (
        google_http.google_session(parallel)
        if sandbox is None
        else google_http.sandbox_session(parallel, sandbox.role)
    )
    if isinstance(clock, CloudClock):
        clock.heed(session)
    return CloudObserver(
        fleet,
        monitoring=monitoring.MonitoringReader(
            monitoring.connect() if sandbox is None else monitoring.connect(sandbox.grpc, sandbox.role),
            project=config.project,
            resources=[name for service in fleet.services for name in service.resources],
            window=settings.window,
            deadline=settings.deadline,
        ),
        compute=ComputeReader(
            session,
            project=config.project,
            deadline=settings.health_deadline,
            parallel=settings.health_parallel,
            url_map=url_map(config.naming),
            splits=[service for service in fleet.services if service.shared_out],
            **bases,
        ),
        clock=clock,
        deadline=max(settings.deadline, settings.health_deadline),
        evidence={service.name: policies[service.policy].evidence for service in fleet.services},
    )
