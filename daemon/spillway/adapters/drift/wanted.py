"""What the program declares, without an engine: the parts of the load balancer and what each would be sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from spillway.adapters.engine.describe import shown_name
from spillway.adapters.engine.embedded.monitor import evaluate
from spillway.adapters.engine.embedded.run import Declared
from spillway.adapters.engine.language import PROJECT
from spillway.adapters.engine.provider.cloud import CloudError
from spillway.adapters.engine.provider.diff import UNKNOWN
from spillway.adapters.engine.provider.kinds import Props, ResourceKind
from spillway.adapters.engine.provider.standin import kind_of
from spillway.adapters.program.kept import Part
from spillway.adapters.program.provider_fields import Field, arguments_of, class_of, fields_of
from spillway.errors import SpillwayError, TemporaryError


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPart:
    """One resource as the program declares it."""

    token: str
    name: str
    path: str
    """Below the API's root, such as `projects/p/global/urlMaps/lb`."""
    inputs: Props
    """Without secrets."""
    ignore: tuple[str, ...]
    """Paths that the program does not speak of."""

    @property
    def part(self) -> Part:
        """What it goes by in the program."""
        return self.token, self.name

    @property
    def shown(self) -> str:
        """Its name, for people."""
        return shown_name(self.name, self.inputs)

    @property
    def kind(self) -> ResourceKind:
        """How the provider writes and reads it."""
        return kind_of(self.token)

    @property
    def fields(self) -> Mapping[str, Field]:
        """All properties that the provider has for it."""
        return fields_of(arguments_of(class_of(self.token)))

    @property
    def is_untouched(self) -> bool:
        """True if the program says nothing of it but that it stays."""
        return set(self.fields) <= set(self.ignore)

    @property
    def spoken(self) -> Props:
        """The inputs, with None for each property of which the program says that nothing is to stand there."""
        ours = (name for name in self.fields if name not in self.ignore)
        return {**dict.fromkeys(ours), **self.inputs}


class _Taker:
    """Takes down what a program declares, and answers as a preview does: ids are known, what the cloud makes up is not."""

    def __init__(self) -> None:
        self.errors: list[CloudError | SpillwayError] = []
        self.parts: list[WantedPart] = []
        self._lock = threading.Lock()

    def urn(self, token: str, name: str) -> str:
        """The URN of a resource at the top of the stack."""
        return f"urn:pulumi:wanted::{PROJECT}::{token}::{name}"

    def register(self, declared: Declared) -> tuple[str, str, Props]:
        """Take one declaration down."""
        kind = kind_of(declared.token)
        path = f"{kind.collection(declared.inputs)}/{declared.inputs['name']}"
        part = WantedPart(
            token=declared.token,
            name=declared.name,
            path=path,
            inputs=_without(declared.inputs, declared.secret_paths),
            ignore=declared.ignore,
        )
        with self._lock:
            self.parts.append(part)
        computed: dict[str, Any] = {name: UNKNOWN for name in kind.computed if name not in declared.inputs}
        return self.urn(declared.token, declared.name), path, {**declared.inputs, **computed}


def _without(inputs: Props, paths: Iterable[str]) -> Props:
    """Inputs without what stands at these paths."""
    result = dict(inputs)
    for path in paths:
        name, _, rest = path.partition(".")
        if not rest:
            result.pop(name, None)
        elif isinstance(result.get(name), Mapping):
            result[name] = _without(dict(result[name]), (rest,))
    return result


def wanted_parts(program: Callable[[], None], *, parallel: int) -> tuple[WantedPart, ...]:
    """All parts that a program declares, sorted.

    Raises:
        SpillwayError: the program cannot be evaluated.
    """
    taker = _Taker()
    _, failure = evaluate(program, taker, stack="wanted", parallel=parallel, dry=True)
    for error in taker.errors:
        if isinstance(error, SpillwayError):
            raise error
    if failure is not None:
        raise TemporaryError(f"the program failed: {failure}")
    return tuple(sorted(taker.parts, key=lambda part: part.part))
