"""Entry for plain Pulumi, which runs this folder."""

from __future__ import annotations

from spillway.adapters.program.plain import main

main()
