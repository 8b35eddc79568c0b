"""What is told once: when it comes, when it goes, and not between."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class News(Generic[K]):
    """Remembers what was up at the last look."""

    def __init__(self) -> None:
        self._up: dict[K, str] = {}

    def of(self, up: Mapping[K, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(texts of what has come up, texts of what is over) since the look before; the key says what is the same."""
        raised = tuple(text for key, text in up.items() if key not in self._up)
        over = tuple(text for key, text in self._up.items() if key not in up)
        self._up = dict(up)
        return raised, over
