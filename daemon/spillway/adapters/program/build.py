"""The program itself. `build` is pure: the same config and overlay declare the same resources, whoever runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spillway.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from spillway.config.model import Config
    from spillway.core.values.overlay import Overlay


def build(config: Config, overlay: Overlay) -> Callable[[], None]:
    """The Pulumi program that declares what `config` and `overlay` say.

    Raises:
        PermanentError: the overlay belongs to another config.
    """
    _agree(config, overlay)

    def program() -> None:
        import pulumi

        from spillway.adapters.program.checks import health_checks
        from spillway.adapters.program.frontends import frontends
        from spillway.adapters.program.groups import Groups
        from spillway.adapters.program.outputs import urls
        from spillway.adapters.program.routes import url_map
        from spillway.adapters.program.services import service

        groups = Groups(config)
        checks = health_checks(config)
        services = {setting.service: service(config, groups, checks, setting) for setting in overlay.services}
        address = frontends(config, url_map(config, services))
        pulumi.export("load_balancer_ip", address)
        pulumi.export("urls", address.apply(lambda ip: urls(config, ip)))

    return program


def _agree(config: Config, overlay: Overlay) -> None:
    wanted = set(config.topology.services)
    found = {setting.service for setting in overlay.services}
    unknown = {
        backend.region
        for setting in overlay.services
        for backend in setting.backends
        if backend.region not in config.topology.regions
    }
    if wanted != found or unknown:
        strangers = ", ".join(sorted(wanted ^ found) + sorted(unknown))
        raise PermanentError(
            f"the overlay does not belong to this config: they differ in {strangers}",
            remedy="Bring the overlay into line with the config's fleet before building.",
        )
