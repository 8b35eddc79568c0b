"""Loading: from a path to a configuration that can be relied on, or to all that is wrong with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spillway.config.check import check_model, in_order, look_up
from spillway.config.draft import draft
from spillway.config.fleet import fleet, starting_overlay
from spillway.config.model import Config, DaemonConfig
from spillway.config.rules import (
    affinity,
    balancing,
    caching,
    capacity,
    daemon,
    extra,
    frontends,
    groups,
    headers,
    names,
    policies,
    probes,
    protection,
    routes,
    services,
    splits,
)
from spillway.config.source import Source, parsed, read
from spillway.config.tree import Location
from spillway.errors import ConfigError, Problem

__all__ = ["Loaded", "fleet", "judge", "load", "load_text", "starting_overlay", "state_dir"]

_RULES = (
    frontends.check,
    routes.check,
    groups.check,
    balancing.check,
    services.check,
    splits.check,
    affinity.check,
    headers.check,
    protection.check,
    caching.check,
    capacity.check,
    probes.check,
    policies.check,
    daemon.check,
    extra.check,
    names.check,
)
_HTTPS: Location = ("topology", "frontends", "https")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration without mistakes. File names in it are absolute."""

    config: Config
    data: Any
    """The same as it was written, files joined: to tell what differs in its own words."""
    warnings: tuple[Problem, ...]
    """What works but deserves a second look, by file and line."""
    path: Path
    files: tuple[Path, ...]
    """All files that it is made of, given certificates included."""
    digest: str
    """Changes exactly when one of these files does: SHA-256 in hexadecimal."""


def load(path: Path) -> Loaded:
    """Read and check a configuration file, or a directory of them.

    Raises:
        ConfigError: with every problem, by file and line.
    """
    return _loaded(path, read(path))


def load_text(path: Path, text: str) -> Loaded:
    """Check a configuration that is still to be written to `path`; nothing is written.

    Raises:
        ConfigError: with every problem, by the line of the text.
    """
    return _loaded(path, parsed(path, text))


def _loaded(path: Path, read_source: Source) -> Loaded:
    source = _resolved(read_source)
    config, problems, warnings = judge(source)
    if config is None:
        raise ConfigError(problems)
    referred = _referred(config)
    digest = hashlib.sha256(source.digest.encode())
    for file in referred:
        digest.update(_content(file))
    return Loaded(
        config=config,
        data=source.data,
        warnings=warnings,
        path=path,
        files=(*source.files, *referred),
        digest=digest.hexdigest(),
    )


def state_dir(path: Path) -> Path:
    """`daemon.state_dir` of a configuration, whatever mistakes the rest of it has; the default where it cannot be read."""
    source = read(path)
    daemon = draft(source).daemon if isinstance(source.data, dict) else None
    return Path((daemon or DaemonConfig()).state_dir)


def daemon_section(path: Path) -> DaemonConfig:
    """`daemon` of a configuration with absolute names of files; what has mistakes has its default.

    Raises:
        ConfigError: the configuration cannot be read.
    """
    source = _resolved(read(path))
    daemon = draft(source).daemon if isinstance(source.data, dict) else None
    return daemon or DaemonConfig()


def daemon_problems(path: Path) -> bool:
    """Whether the section `daemon` has mistakes.

    Raises:
        ConfigError: the configuration cannot be read.
    """
    _, problems, _ = judge(_resolved(read(path)))
    return any(problem.path.split(".")[0] in {"", "daemon"} for problem in problems)


def judge(source: Source) -> tuple[Config | None, tuple[Problem, ...], tuple[Problem, ...]]:
    """The configuration, its problems and its warnings; the configuration is None if there is any problem."""
    config, problems = check_model(Config, source)
    if not isinstance(source.data, dict):
        return None, problems, ()
    sketch = draft(source)
    for rule in _RULES:
        rule(sketch)
    problems = in_order((*problems, *sketch.problems))
    return (None if problems else config), problems, in_order(sketch.warnings)


def _resolved(source: Source) -> Source:
    """The same with absolute names of files: each is relative to the file in which it is written."""
    data = source.data
    for location in (
        ("sandbox", "scenario"),
        ("daemon", "engine", "passphrase_file"),
        ("daemon", "token_file"),
        ("daemon", "tls", "certificate_file"),
        ("daemon", "tls", "private_key_file"),
        *_webhooks(data),
        *_certificates(data),
        *_secrets(data),
    ):
        name = look_up(data, location)
        if isinstance(name, str) and name:
            data = _put(data, location, str((source.folder(location) / name).absolute()))
    return replace(source, data=data)


def _certificates(data: Any) -> list[Location]:
    """Where files of given certificates are named, in each HTTPS frontend."""
    https = look_up(data, _HTTPS)
    frontends = [(*_HTTPS, index) for index in range(len(https))] if isinstance(https, list) else [_HTTPS]
    found: list[Location] = []
    for frontend in frontends:
        at = (*frontend, "certificates", "given")
        given = look_up(data, at)
        count = len(given) if isinstance(given, list) else 0
        found += [(*at, i, key) for i in range(count) for key in ("certificate_file", "private_key_file")]
    return found


def _secrets(data: Any) -> list[Location]:
    """Where names of files with secrets stand: of OAuth clients, and of keys that sign URLs."""
    found: list[Location] = []
    for section in (("topology", "services"), ("topology", "buckets")):
        named = look_up(data, section)
        for name in named if isinstance(named, dict) else ():
            found.append((*section, name, "iap", "oauth2_client_secret_file"))
            keys = look_up(data, at := (*section, name, "cdn", "signed_url_keys"))
            found += [(*at, index, "key_file") for index in range(len(keys) if isinstance(keys, list) else 0)]
    return found


def _webhooks(data: Any) -> list[Location]:
    """Where files with URLs of webhooks are named."""
    hooks = look_up(data, at := ("daemon", "webhooks"))
    return [(*at, index, "url_file") for index in range(len(hooks) if isinstance(hooks, list) else 0)]


def _put(data: Any, location: Location, value: str) -> Any:
    """A copy of `data` with `value` at `location`, which exists."""
    if not location:
        return value
    copy = data.copy()
    copy[location[0]] = _put(copy[location[0]], location[1:], value)
    return copy


def _content(file: Path) -> bytes:
    """What the file holds; nothing where it has gone since it was checked: whoever uses it will say so."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _referred(config: Config) -> tuple[Path, ...]:
    """Files whose content is part of the configuration: another content is another configuration."""
    given = [c for https in config.topology.frontends.secure for c in https.certificates.given or ()]
    files = [name for c in given for name in (c.certificate_file, c.private_key_file)]
    proxies = (service.iap for service in config.topology.services.values() if service.iap is not None)
    files += [iap.oauth2_client_secret_file for iap in proxies if iap.oauth2_client_secret_file is not None]
    cached = [service.cdn for service in config.topology.services.values()]
    for cdn in (*cached, *(bucket.cdn for bucket in config.topology.buckets.values())):
        if cdn is not None and not isinstance(cdn, bool):
            files += [key.key_file for key in cdn.signed_url_keys]
    return tuple(dict.fromkeys(map(Path, files)))
