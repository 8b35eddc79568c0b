"""The man page: every command and option stands in it, and the formatter finds nothing wrong."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click
import pytest

from spillway.cli.main import group
from spillway.cli.man_page import render

PAGE = Path(__file__).resolve().parents[2] / "docs" / "spillway.1"


def formatted(page: Path) -> str:
    result = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", "-P-cbou", "-rLL=200n", str(page)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


needs_groff = pytest.mark.skipif(
    shutil.which("groff") is None,
    reason="SKIPPED LOUDLY: groff is not installed (Debian package groff-base)",
)


@needs_groff
def test_the_formatter_shows_every_command_with_its_options() -> None:
    shown = formatted(PAGE)
    for name, command in group.commands.items():
        assert (f"spillway {name}" in shown) is not command.hidden, name
        for option in command.params:
            if isinstance(option, click.Option) and not (command.hidden or option.hidden):
                assert all(word in shown for word in option.opts), f"{name} {option.opts}"
    assert "spillway journal export" in shown, "commands of a group inside the group, too"


@needs_groff
def test_no_character_of_a_help_text_is_taken_for_a_command_of_the_formatter(tmp_path: Path) -> None:
    strange = "'Quoted' at the start, a back\\slash, and \"double\" ones.\n\n.TH of no page\n\n\b\n.nf kept\n  as it is"
    sketch = click.Group(commands=[click.Command("odd", help=strange)], help=strange)
    page = tmp_path / "odd.1"
    page.write_text(render(sketch), encoding="utf-8")
    shown = formatted(page)
    assert "'Quoted' at the start, a back\\slash, and \"double\" ones." in shown
    assert ".TH of no page" in shown
    assert ".nf kept\n         as it is" in shown
