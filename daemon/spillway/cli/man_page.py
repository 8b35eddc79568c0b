"""The man page spillway(1), made from the commands' own definitions: roff with the macros of man(7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from spillway import __version__
from spillway.cli.options import CONFIG_VARIABLE, DEFAULT_CONFIGS

_PREFORMATTED = "\b"
"""Click's mark, alone on a line, before a paragraph whose lines stay as they are."""
_ENVIRONMENT = (
    (CONFIG_VARIABLE, "The configuration, where --config is not given."),
    ("PULUMI_HOME", "Folder of the Pulumi CLI and its plugins."),
    ("GOOGLE_APPLICATION_CREDENTIALS", "A Google key file, where the machine has no service account."),
    ("NO_COLOR", "No colours, also on a terminal."),
)
_FILES = (
    (str(DEFAULT_CONFIGS[0]), "The configuration."),
    ("/var/lib/spillway", "The daemon's state, unless daemon.state_dir names another folder."),
)


def render(group: click.Group) -> str:
    """The page of a group and all its commands, hidden ones apart."""
    root = click.Context(group, info_name="spillway")
    lines = [
        '.\\" Made by `make docs` from the definitions of the commands.',
        f'.TH SPILLWAY 1 "" "Spillway {_text(__version__)}" "Spillway"',
        ".SH NAME",
        "spillway \\- keep traffic between regions where it is served well",
        ".SH SYNOPSIS",
        ".B spillway",
        _text(" ".join(group.collect_usage_pieces(root))),
        ".SH DESCRIPTION",
        *_paragraphs(group.help or ""),
        ".SH OPTIONS",
        *_entries([("-h, --help", "Show the help of spillway or of a command, and exit.")]),
        *_options(group, root),
        ".SH COMMANDS",
        *_commands(group, root),
        ".SH ENVIRONMENT",
        *_entries(_ENVIRONMENT),
        ".SH FILES",
        *_entries(_FILES),
        ".SH SEE ALSO",
        ".BR systemctl (1),",
        "and the pages in",
        ".I share/doc/spillway",
        "of the installation.",
    ]
    return "\n".join(lines) + "\n"


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    """A section for each command of a group, those of its own groups included."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, parent=context, info_name=name)
        yield f'.SS "{_text(inner.command_path)}"'
        yield f".B {_text(inner.command_path)}"
        yield _text(" ".join(command.collect_usage_pieces(inner)))
        yield ".PP"
        yield from _paragraphs(command.help or "")
        yield from _options(command, inner)
        if isinstance(command, click.Group):
            yield from _commands(command, inner)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    """The options of a command as `--help` has them, `--help` itself apart; arguments have no words of their own."""
    options = (option for option in command.params if isinstance(option, click.Option))
    records = (option.get_help_record(context) for option in options)
    yield from _entries(record for record in records if record is not None)


def _entries(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Terms with their explanations, each indented below its term."""
    for term, explanation in entries:
        yield from (".TP", f".B {_text(term)}", _text(" ".join(explanation.split())))


def _paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a help text; those that click leaves as they are keep their lines."""
    for number, paragraph in enumerate(text.strip().split("\n\n")):
        if number:
            yield ".PP"
        lines = paragraph.splitlines()
        if lines and lines[0].strip() == _PREFORMATTED:
            yield from (".nf", *map(_text, lines[1:]), ".fi")
        else:
            yield _text(" ".join(line.strip() for line in lines))


def _text(plain: str) -> str:
    """Plain text in roff: no character of it is a command, and a hyphen stays one that can be copied."""
    escaped = plain.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
