"""The chain of guards: each can only narrow a change or take it away, and says why by a code of its own."""

from __future__ import annotations

from spillway.core.guards.chain import Guarded, narrow
from spillway.core.guards.situation import Ruling, Situation

__all__ = ["Guarded", "Ruling", "Situation", "narrow"]
