"""`python -m spillway` and the `spillway` command."""

from __future__ import annotations

import os
import sys

from spillway.cli.console import take_any_character
from spillway.cli.main import main
from spillway.exits import Exit


def run() -> int:
    """Run the command of this process; one that was interrupted ends here and now.

    The interpreter's own way out would wait for helper threads whose pipes have just gone, and they would complain.
    """
    take_any_character()
    code = main()
    if code == Exit.INTERRUPTED:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(run())
