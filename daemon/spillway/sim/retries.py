"""Clients that ask again: every failed request of theirs comes back as a new arrival, a limited number of times.

A retry is a request like any other: it is routed, served, counted, paid and judged on its own, so arrived = answered +
failed + waiting holds with it. Which of a client's requests fail is not known one by one, only how many: those in the
system are taken as well mixed, and each answer or failure falls on first and repeated attempts by their shares. So at
every moment no attempt has more retries than it had failures.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from spillway.sim.scenario import Client

Array = NDArray[np.float64]


class Retries:
    """What is on its way to being asked again, by client and attempt.

    Args:
        attempts: for each client, how often it asks again at most.
        delays: for each client, steps from a failure to the next attempt; at least 1.
        step: seconds of a step.
    """

    def __init__(self, attempts: Sequence[int], delays: Sequence[int], step: float) -> None:
        self._step = step
        self._delays = np.array(delays, dtype=np.int64)
        most = max(attempts)
        self._repeats = np.arange(most)[None, :] < np.array(attempts)[:, None]
        """True where a failed attempt (column 0 is the first) is repeated, clients x attempts but the last."""
        self._coming: Array = np.zeros((max(delays) + 1, len(attempts), most))
        """Requests that will be repeated, by step modulo its length, clients and attempts but the first."""
        self._inside: Array = np.zeros((len(attempts), most + 1))
        """Requests that are neither answered nor failed, clients x attempts."""
        self.sent = 0.0
        """Retries so far."""

    @staticmethod
    def of(clients: Sequence[Client], step: float) -> Retries | None:
        """From the scenario; None where nobody asks again."""
        attempts = [c.retries.attempts if c.retries is not None else 0 for c in clients]
        if not any(attempts):
            return None
        waits = [c.retries.backoff if c.retries is not None else 0.0 for c in clients]
        return Retries(attempts, [max(1, ceil(wait / step - 1e-6)) for wait in waits], step)

    def copy(self) -> Retries:
        """An independent copy."""
        twin = object.__new__(Retries)
        twin.__dict__.update(self.__dict__)
        twin._coming, twin._inside = self._coming.copy(), self._inside.copy()
        return twin

    @property
    def foreknown(self) -> int:
        """Steps whose retries are known when they begin: no block may be longer."""
        asking = self._repeats.any(axis=1)
        return int(self._delays[asking].min())

    def rates(self, first: int, last: int) -> Array:
        """Retries in the steps first <= k < last in requests/s, steps x clients; at most `foreknown` steps."""
        rows = np.arange(first, last) % len(self._coming)
        result: Array = self._coming[rows].sum(axis=2) / self._step
        return result

    def take(self, first: int, fresh: Array, asks: NDArray[np.bool_], answered: Array, failed: Array) -> None:
        """Take in what a block of steps came to.

        Args:
            first: number of the first step.
            fresh: first attempts, in requests, steps x clients.
            asks: which clients have an address to ask; the others drop their retries.
            answered: requests, steps x clients.
            failed: requests, steps x clients.
        """
        clients = np.arange(len(asks))
        for t in range(len(fresh)):
            row = (first + t) % len(self._coming)
            again = self._coming[row] * asks[:, None]
            self._coming[row] = 0.0
            self.sent += float(again.sum())
            self._inside[:, 0] += fresh[t]
            self._inside[:, 1:] += again
            share = self._inside / np.maximum(self._inside.sum(axis=1, keepdims=True), 1e-300)
            lost = np.minimum(failed[t][:, None] * share, self._inside)
            left = self._inside - lost - answered[t][:, None] * share
            self._inside = np.maximum(0.0, left)
            back = (first + t + self._delays) % len(self._coming)
            self._coming[back, clients] += lost[:, :-1] * self._repeats
