"""`spillway docs`: the reference pages that are made from the code, so that they cannot disagree with it."""

from __future__ import annotations

from pathlib import Path

import click

from spillway.cli.console import out
from spillway.exits import Exit


def pages() -> dict[str, str]:
    """File name and text of every generated page."""
    from spillway.adapters.metrics import render as render_metrics
    from spillway.cli.reasons_page import render as render_reasons
    from spillway.config.document import render as render_configuration

    return {
        "configuration.md": render_configuration(),
        "metrics.md": render_metrics(),
        "reasons.md": render_reasons(),
    }


@click.command(hidden=True)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
def docs(folder: Path) -> int:
    """Write the generated reference pages into FOLDER."""
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
        out.print(f"wrote {folder / name}")
    return Exit.OK
