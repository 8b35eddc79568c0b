"""`python -m spillway` and the `spillway` command."""

from __future__ import annotations

import sys

from spillway.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
