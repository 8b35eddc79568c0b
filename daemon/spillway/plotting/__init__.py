"""The plotting library of the page and of the backtest's report: Plotly's script, and what both share of its use.

Plotly's Python package carries the script. Nothing of that package is imported: the figures are made in the browser.
`figure.js` beside this file has what page and report share: colours, axes, hover boxes, and the loading of the script.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from spillway.errors import SpillwayError

FIGURE = Path(__file__).parent / "figure.js"
"""What page and report share: a plain script that defines `Figure`."""

STYLE = Path(__file__).parent / "figure.css"
"""The rules that the library's plots need. A link to it has the id `plotly.js-style-global` and the class `no-inline-styles`: then the library adds no rules itself."""

_SCRIPT = Path("package_data") / "plotly.min.js"
"""Where Plotly's package keeps its script."""


def library() -> Path:
    """The script of the plotting library, from the package that is installed.

    Raises:
        SpillwayError: the package or its script is missing.
    """
    found = find_spec("plotly")  # finds the folder, and runs nothing of the package
    for folder in (found.submodule_search_locations or ()) if found is not None else ():
        if (Path(folder) / _SCRIPT).is_file():
            return Path(folder) / _SCRIPT
    raise SpillwayError(
        "the plotting library plotly is not installed whole: its script is missing, so there are no plots.",
        remedy="Install Spillway again with its dependencies: pip install --no-deps --require-hashes -r requirements.lock.",
    )
