"""Named random streams: one seed, and a stream of its own for every purpose.

A stream depends on the seed and its name alone, never on what was drawn elsewhere or in which order, so adding a
client or reading metrics twice changes no other number. Streams are counter-based (Philox; Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", SC11), so the draws of any minute can be had without those before it.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np


def stream(seed: int, *name: str | int) -> np.random.Generator:
    """A fresh generator for `name` under `seed`; equal arguments give equal draws on every machine."""
    text = "\x1f".join([str(seed), *map(str, name)])
    key = int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))
