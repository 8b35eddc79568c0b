"""A service of which a test looks at one side alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from tests.control.fakes import Rig

from spillway.service.life import Service
from spillway.service.roles import Control, Rhythm


def bare_service(rig: Rig, others: object, folder: Path, **more: Any) -> Service:
    """The service of a rig's loop; `others` stands for server, ticker, notifier and lease."""
    whatever = cast("Any", others)
    return Service(
        loop=rig.loop,
        ticker=whatever,
        server=whatever,
        notifier=whatever,
        lease=whatever,
        rhythm=Rhythm(tick=60.0, health=15.0, stop=30.0, write=300.0),
        progress=rig.progress,
        control=Control(path=folder / "control.sock"),
        candidate=cast("Any", None),
        signature=lambda: None,
        settled=lambda: None,
        closing=lambda: None,
        **more,
    )
