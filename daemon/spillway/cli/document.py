"""`spillway docs`: the reference pages that are made from the code, so that they cannot disagree with it."""

from __future__ import annotations

from pathlib import Path

import click

from spillway.cli.console import out
from spillway.exits import Exit

STATES = ("<!-- states: made by `make docs` -->", "<!-- states: end -->")
"""What the table of states stands between in the page of the architecture."""
ROLES = ("<!-- roles: made by `make docs` -->", "<!-- roles: end -->")
"""What the permissions of both roles stand between in the page on operation."""


def pages(folder: Path) -> dict[str, str]:
    """File name and text of every page in `folder` that is generated, or holds a generated part."""
    from spillway.adapters.metrics import render as render_metrics
    from spillway.cli.reasons_page import render as render_reasons
    from spillway.cli.reasons_page import states
    from spillway.cli.roles import render as render_roles
    from spillway.cli.runbook_page import render as render_runbook
    from spillway.config.document import render as render_configuration

    architecture = (folder / "architecture.md").read_text(encoding="utf-8")
    permissions = (folder / "permissions.md").read_text(encoding="utf-8")
    return {
        "architecture.md": _between(architecture, STATES, states()),
        "configuration.md": render_configuration(),
        "metrics.md": render_metrics(),
        "permissions.md": _between(permissions, ROLES, render_roles()),
        "reasons.md": render_reasons(),
        "runbook.md": render_runbook(),
    }


def _between(text: str, marks: tuple[str, str], made: str) -> str:
    """`text` with what stands between the two marks made anew."""
    head, begin, rest = text.partition(marks[0])
    _, end, tail = rest.partition(marks[1])
    return f"{head}{begin}\n{made}{end}{tail}"


@click.command(hidden=True)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
def docs(folder: Path) -> int:
    """Write the generated reference pages into FOLDER."""
    for name, text in pages(folder).items():
        (folder / name).write_text(text, encoding="utf-8")
        out.print(f"wrote {folder / name}")
    return Exit.OK
