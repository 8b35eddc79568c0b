"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from math import isnan
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class NumberRange(click.FloatRange):
    """A number in a range; NaN, which every comparison lets through, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, if it is one of the range."""
        number: float = super().convert(value, param, ctx)
        if isnan(number):
            self.fail(f"{value!r} is not a valid float.", param, ctx)
        return number


CONFIG_VARIABLE = "SPILLWAY_CONFIG"
"""Variable of the environment that names the configuration."""

DEFAULT_CONFIGS = (Path("/etc/spillway/spillway.yaml"), Path("config/spillway.yaml"))


def default_config() -> Path:
    """$SPILLWAY_CONFIG, else the installed config, else the one in the working folder."""
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named)
    return next((path for path in DEFAULT_CONFIGS if path.exists()), DEFAULT_CONFIGS[0])


_EVERY_INTERFACE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
"""Addresses to listen on that are none to ask at, and where the daemon answers on this machine then."""


def address_on_this_machine(listen: str) -> str:
    """Host and port at which a daemon that listens at `listen` answers on this machine."""
    host, _, port = listen.rpartition(":")
    return f"{_EVERY_INTERFACE.get(host, host)}:{port}"


def config_option(function: F) -> F:
    """`--config PATH`: a YAML file, or a directory of them."""
    return click.option(
        "-c",
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        default=default_config,
        show_default="$SPILLWAY_CONFIG, /etc/spillway/spillway.yaml or ./config/spillway.yaml",
        help="Configuration: a YAML file, or a directory of them.",
    )(function)


def json_option(function: F) -> F:
    """`--json`: one JSON document on standard output instead of people's words."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")(function)


def url_option(function: F) -> F:
    """`--url`."""
    return click.option(
        "--url",
        default=None,
        help="Address of the daemon instead of the config's, such as http://127.0.0.1:9464.",
    )(function)


def ca_option(function: F) -> F:
    """`--ca FILE`."""
    return click.option(
        "--ca",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        default=None,
        help="PEM file of authorities that the daemon's certificate is checked by, with its name, instead of comparing it with the config's.",
    )(function)
