"""`spillway completion`: what a shell needs to complete the commands and their options."""

from __future__ import annotations

from types import MappingProxyType

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from spillway.exits import Exit

_SHELLS: MappingProxyType[str, type[ShellComplete]] = MappingProxyType(
    {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
)
_PROGRAM, _VARIABLE = "spillway", "_SPILLWAY_COMPLETE"
"""The command that is completed, and the variable by which a shell asks it; click derives the one from the other."""
_HELP = """Print the script that makes SHELL complete commands, options and values.

\b
bash   spillway completion bash > /etc/bash_completion.d/spillway
zsh    spillway completion zsh > "${fpath[1]}/_spillway"
fish   spillway completion fish > ~/.config/fish/completions/spillway.fish
"""


@click.command(short_help="Print the completion of bash, zsh or fish.", help=_HELP)
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the script of one shell; its help stands in _HELP."""
    made = _SHELLS[shell](context.find_root().command, {}, _PROGRAM, _VARIABLE)
    click.echo(made.source())
    return Exit.OK
