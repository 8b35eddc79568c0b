"""The daemon, put together."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from spillway.compose.changes import Watch, differences, digest_of, restart_needed, session_of
from spillway.compose.clouds import clock_of, closer, deployer_of, look_of, observer_of
from spillway.compose.tools import keeper_of
from spillway.config import load
from spillway.config.access import access_of
from spillway.config.load import Loaded
from spillway.config.model import Config
from spillway.control.alarms import RUNBOOK, AlarmBook, LossWatch
from spillway.control.tick import Loop, Parts
from spillway.control.timing import Progress
from spillway.core.values.alarms import Severity
from spillway.ports import Clock
from spillway.service.control_socket import NAME
from spillway.service.life import Service
from spillway.service.roles import Candidate, Control, Rhythm

if TYPE_CHECKING:
    from spillway.adapters.engine.recovery import Recoveries
    from spillway.adapters.exporter import Exporter
    from spillway.adapters.logs import BoundedHandler
    from spillway.adapters.ticker import Ticker
    from spillway.adapters.webhooks import Webhooks

_log = logging.getLogger(__name__)


def daemon(loaded: Loaded, config_path: Path) -> Service:
    """The daemon for a configuration; nothing is written before its `run`.

    Raises:
        SpillwayError: the engine that is demanded is not installed, or the sandbox does not answer.
    """
    from spillway.adapters import logs
    from spillway.adapters.engine.recovery import Recoveries
    from spillway.adapters.file_lock import FileLease
    from spillway.adapters.journal.store import Bounds, SqliteJournal
    from spillway.adapters.process import SystemdNotifier, release_memory
    from spillway.adapters.ticker import Ticker

    config = loaded.config
    log = logs.setup(config.daemon.log.level, config.daemon.log.format)
    tell_warnings(loaded)
    state_dir = Path(config.daemon.state_dir)
    clock, speed = clock_of(config)
    session = session_of(config)
    rhythm = rhythm_of(config, speed)
    progress = Progress(time.monotonic, tick=rhythm.tick, write_limit=rhythm.write)
    recoveries = Recoveries()
    settings = config.daemon.journal
    journal = SqliteJournal(state_dir / "journal", Bounds(age=settings.max_age, size=settings.max_mib << 20))
    loop = Loop(
        parts_of(loaded, clock, session, recoveries),
        journal=journal,
        keeper=keeper_of(state_dir),
        clock=clock,
        progress=progress,
        alarms=alarm_book_of(config),
    )
    sender = webhooks_of(config, clock)
    ticker = Ticker()
    watch = Watch(config_path, loaded.files)
    in_force = [loaded.data]

    def candidate() -> Candidate:
        fresh = load.load(config_path)
        watch.follow(fresh.files)
        tell_warnings(fresh)

        def taken() -> None:
            in_force[0] = fresh.data

        return Candidate(
            digest=digest_of(fresh, loop.parts.deployer.kind, session),
            restart=restart_needed(config, fresh.config),
            changes=differences(in_force[0], fresh.data),
            rhythm=rhythm_of(fresh.config, speed),
            build=lambda: parts_of(fresh, clock, session, recoveries),
            taken=taken,
        )

    def closing() -> None:
        journal.close()
        log.close()

    return Service(
        loop=loop,
        ticker=ticker,
        server=exporter_of(
            config,
            loop,
            ticker=ticker,
            clock=clock,
            speed=speed,
            progress=progress,
            log=log,
            recoveries=recoveries,
            journal=journal.path,
        ),
        notifier=SystemdNotifier(),
        lease=FileLease(state_dir),
        rhythm=rhythm,
        progress=progress,
        control=Control(path=state_dir / NAME, group=config.daemon.operators_group),
        candidate=candidate,
        signature=watch,
        settled=release_memory,
        closing=closing,
        sender=sender,
        losses=(
            LossWatch("log-lines-lost", lambda: log.lost),
            LossWatch("webhooks-lost", sender.lost, sender.why),
        ),
    )


def tell_warnings(loaded: Loaded) -> None:
    """Log what `spillway check` warns of, so that it is also seen where nobody ran that command."""
    for warning in loaded.warnings:
        _log.warning("Config: %s", warning)


def exporter_of(
    config: Config,
    loop: Loop,
    *,
    ticker: Ticker,
    clock: Clock,
    speed: float,
    progress: Progress,
    log: BoundedHandler,
    recoveries: Recoveries,
    journal: Path,
) -> Exporter:
    """Metrics, status and page of a loop."""
    from spillway.adapters.exporter import Exporter
    from spillway.adapters.reads import ReadTotals
    from spillway.adapters.status_document import About

    about = About(
        name=config.name,
        project=config.project,
        cloud=config.cloud,
        engine=loop.parts.deployer.kind,
        speed=speed,
        tick=config.daemon.tick,
    )
    return Exporter(
        config.daemon.listen,
        about,
        fleet=lambda: loop.parts.fleet,
        policies=loop.policies,
        now=clock.now,
        health=progress.health,
        missed=ticker.missed,
        reads=ReadTotals(lambda: loop.parts.observer).total,
        lost=lambda: log.lost,
        orders=lambda: loop.kept.holds.active(clock.now()),
        recovered=recoveries.counts,
        alarms=loop.active_alarms,
        silences=loop.silences,
        hosts=config.daemon.hosts,
        access=access_of(config.daemon.tls, config.daemon.token_file),
        journal=journal,
        journal_problem=lambda: loop.journal_problem,
    )


def alarm_book_of(config: Config) -> AlarmBook:
    """What knows which alarms are up, and whom webhooks tell."""
    return AlarmBook(
        config.name,
        runbook=config.daemon.runbook_url or RUNBOOK,
        telling={Severity(name) for hook in config.daemon.webhooks for name in hook.severities},
    )


def webhooks_of(config: Config, clock: Clock) -> Webhooks:
    """The webhooks of a configuration; without any it tells nobody."""
    from spillway.adapters.webhooks import Webhook, Webhooks

    receivers = [
        Webhook(
            name=f"daemon.webhooks[{index}]",
            url=hook.url or "",
            url_file=None if hook.url_file is None else Path(hook.url_file),
            form=hook.format,
            severities=frozenset(Severity(name) for name in hook.severities),
        )
        for index, hook in enumerate(config.daemon.webhooks)
    ]
    return Webhooks(receivers, config.name, clock.now)


def rhythm_of(config: Config, speed: float) -> Rhythm:
    """Intervals and deadlines in wall seconds."""
    settings = config.daemon
    return Rhythm(
        tick=settings.tick / speed,
        health=settings.health_pass / speed,
        stop=settings.stop_deadline,
        write=settings.engine.deadline,
        drift=settings.observe.drift_every / speed,
    )


def parts_of(loaded: Loaded, clock: Clock, session: str, recoveries: Recoveries) -> Parts:
    """Everything that a configuration determines; `recoveries` counts on over reloads."""
    config = loaded.config
    deployer = deployer_of(config, clock, recoveries)
    observer = observer_of(config, clock)
    close_deployer = closer(deployer)

    def close() -> None:
        close_deployer()
        observer.close()

    return Parts(
        fleet=load.fleet(config),
        policies=config.policies,
        starting=load.starting_overlay(config),
        observer=observer,
        deployer=deployer,
        digest=digest_of(loaded, deployer.kind, session),
        look=look_of(deployer),
        interrupt=close_deployer,
        close=close,
    )
