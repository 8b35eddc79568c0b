"""The stand-in for the `gcp` resource provider: the same requests as the real one, for what the program declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from spillway.adapters.engine.provider import kinds_backend as backend
from spillway.adapters.engine.provider import kinds_edge as edge
from spillway.adapters.engine.provider import kinds_frontend as frontend
from spillway.adapters.engine.provider.cloud import Body, Cloud, CloudError, Deadline, Request
from spillway.adapters.engine.provider.diff import UNKNOWN, DiffResult, compare, overwrites, shaped
from spillway.adapters.engine.provider.kinds import Props, ResourceKind, property_name
from spillway.adapters.engine.provider.kinds_url_map import URL_MAP
from spillway.errors import PermanentError

KINDS: dict[str, ResourceKind] = {
    kind.token: kind
    for kind in (
        backend.BACKEND_SERVICE,
        backend.SERVICE_LB_POLICY,
        backend.HEALTH_CHECK,
        backend.ZONAL_NEG,
        backend.INSTANCE_GROUP,
        edge.BACKEND_BUCKET,
        edge.SECURITY_POLICY,
        edge.SERVICE_KEY,
        edge.BUCKET_KEY,
        frontend.GLOBAL_ADDRESS,
        frontend.FORWARDING_RULE,
        frontend.HTTP_PROXY,
        frontend.HTTPS_PROXY,
        frontend.SSL_POLICY,
        frontend.MANAGED_CERTIFICATE,
        frontend.GIVEN_CERTIFICATE,
        URL_MAP,
    )
}
"""Every type that the program can declare, by its token."""


def kind_of(token: str) -> ResourceKind:
    """The kind behind a type token.

    Raises:
        PermanentError: the stand-in does not know it.
    """
    try:
        return KINDS[token]
    except KeyError:
        raise PermanentError(
            f"the stand-in provider does not know {token}",
            remedy="Install the real gcp plugin (`spillway setup`), or add the kind to the stand-in.",
        ) from None


def words_for(token: str) -> str:
    """What people call this type."""
    return KINDS[token].words if token in KINDS else token.rsplit(":", 1)[-1]


class StandInProvider:
    """Create, read, update and delete over REST. Stateless; all state is the engine's."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def resource_id(self, token: str, inputs: Props) -> str:
        """The id that a resource with these inputs has or will have: our names are ours to choose."""
        return f"{kind_of(token).collection(inputs)}/{inputs['name']}"

    def check(self, token: str, inputs: Props) -> dict[str, str]:
        """Failures by property; empty if the inputs can be used."""
        kind = kind_of(token)
        needed = ["name", "project", *(["zone"] if "zones" in kind.collection({**_PLACES, **inputs}) else [])]
        missing = {
            name: f"{name} must be set: the stand-in provider makes up no names"
            for name in needed
            if not inputs.get(name)
        }
        if missing:
            return missing
        try:
            return {name: f"the embedded engine cannot send {name}" for name in unsent(kind, inputs)}
        except PermanentError as error:
            return {"extra": str(error)}

    def diff(
        self, token: str, old_inputs: Props, state: Props, news: Props, ignore: Sequence[str] = ()
    ) -> DiffResult:
        """What differs; see `diff.compare`."""
        return compare(kind_of(token), old_inputs, state, news, tuple(ignore))

    def overwrites(self, token: str, before: Props, live: Props, wanted: Props) -> bool:
        """True if an update would undo what somebody changed; see `diff.overwrites`."""
        return overwrites(kind_of(token), before, live, wanted)

    def planned(self, token: str, inputs: Props) -> Props:
        """Outputs as far as they are known before a create."""
        return {**inputs, **{name: UNKNOWN for name in kind_of(token).computed if not inputs.get(name)}}

    def create(self, token: str, inputs: Props, deadline: Deadline) -> tuple[str, Props]:
        """Make it; its id and outputs.

        Raises:
            CloudError: refused, or no answer in time.
        """
        kind = kind_of(token)
        collection = kind.collection(inputs)
        resource = f"{collection}/{inputs['name']}"
        self._cloud.mutate(
            Request(method="POST", path=collection, body=kind.body(inputs), query=kind.query(inputs)),
            deadline,
        )
        with _Partly():
            for name in kind.references:
                if inputs.get(name):
                    self._cloud.mutate(_refer(kind, resource, name, inputs[name]), deadline)
            outputs = self._outputs(kind, resource, inputs, deadline)
            labels = kind.body(inputs).get("labels")
            if kind.labelled and labels:
                self._cloud.mutate(frontend.set_labels(resource, outputs, labels), deadline)
                outputs = self._outputs(kind, resource, inputs, deadline)
        return resource, outputs

    def read(
        self, token: str, resource: str, inputs: Props, deadline: Deadline
    ) -> tuple[Props, Props] | None:
        """(inputs, outputs) as the cloud has them now; None if it is gone.

        Raises:
            CloudError: refused, or no answer in time.
        """
        kind = kind_of(token)
        live = self._cloud.get(resource, deadline)
        if live is None:
            return None
        outputs = kind.recall(inputs, {**_kept(kind, inputs), **kind.live(live)})
        known = bool(inputs)
        if not known:
            # Nothing is known of it but its id: an import. It goes by what the cloud gives back.
            inputs = {name: outputs[name] for name in sorted(kind.opaque | kind.fixed) if name in outputs}
        appeared = {name: outputs[name] for name in kind.watched if name not in inputs and outputs.get(name)}
        if not known:
            appeared = {name: _told(value, kind.assumed.get(name, {})) for name, value in appeared.items()}
        seen = {
            name: shaped(value, outputs.get(name), name, kind.keyed)
            for name, value in inputs.items()
            if name not in kind.opaque
        }
        return {**inputs, **seen, **appeared}, outputs

    def update(
        self,
        token: str,
        resource: str,
        *,
        old_inputs: Props,
        state: Props,
        news: Props,
        deadline: Deadline,
        ignore: Sequence[str] = (),
    ) -> Props:
        """Change it in place; its outputs.

        A PUT replaces the whole object. As with the real provider it repeats what stands at each path in `ignore`, and
        all else that the program does not name is lost.

        Raises:
            CloudError: refused (412 where somebody else changed it), or no answer in time.
        """
        kind = kind_of(token)
        if kind.update is None:
            raise PermanentError(f"a {kind.words} cannot be changed in place")
        changed = compare(kind, old_inputs, state, news, tuple(ignore)).changed
        requests = kind.update(resource, state, news, changed)
        referred = {name for name in kind.references if name in changed}
        if any(request.method == "PUT" for request in requests):
            requests = self._carrying(kind, requests, tuple(ignore), deadline)
            referred |= {
                name
                for name in kind.references
                if state.get(name) and name not in ignore and not news.get(name)
            }
        requests += [_refer(kind, resource, name, news.get(name)) for name in sorted(referred)]
        first, *others = requests
        self._cloud.mutate(first, deadline)
        with _Partly():
            for request in others:
                self._cloud.mutate(request, deadline)
            return self._outputs(kind, resource, news, deadline)

    def _carrying(
        self,
        kind: ResourceKind,
        requests: list[Request],
        ignore: tuple[str, ...],
        deadline: Deadline,
    ) -> list[Request]:
        """The requests with bodies that are laid over what stands.

        The fingerprint stays that of the state: where somebody wrote since it was read, the API answers 412.
        """
        carried = []
        for request in requests:
            live = self._cloud.get(request.path, deadline) if request.method == "PUT" else None
            body = carry(request.body or {}, live or {}, ignore, kind.renamed)
            carried.append(replace(request, body=kind.repeated(body)))
        return carried

    def delete(self, resource: str, deadline: Deadline) -> None:
        """Remove it; no error if it is gone already.

        Raises:
            CloudError: refused, or no answer in time.
        """
        try:
            self._cloud.mutate(Request(method="DELETE", path=resource), deadline)
        except CloudError as error:
            if error.status != 404:
                raise

    def _outputs(self, kind: ResourceKind, resource: str, inputs: Props, deadline: Deadline) -> Props:
        live = self._cloud.get(resource, deadline)
        if live is None:
            raise CloudError(404, f"{resource} was made and then not found", reason="notFound")
        return kind.recall(inputs, {**_kept(kind, inputs), **kind.live(live)})


def _refer(kind: ResourceKind, resource: str, name: str, value: str | None) -> Request:
    """The custom method that sets a reference, or takes it away."""
    return Request(
        method="POST",
        path=f"{resource}/{kind.references[name]}",
        body={} if value is None else {"securityPolicy": value},
    )


def unsent(kind: ResourceKind, inputs: Props) -> list[str]:
    """Properties that no request would carry: what stands there has no say in any body, path or custom method.

    Raises:
        PermanentError: a field inside of one has no place in the API.
    """
    whole = kind.body(inputs)
    elsewhere = {"location", "zone", "region", *kind.references, *kind.fixed, *kind.opaque}
    return [
        name
        for name, value in inputs.items()
        if value not in (None, "", [], {})
        and name not in elsewhere
        and kind.body({**inputs, name: _another(value)}) == whole
    ]


def _another(value: Any) -> Any:
    """Some other value in the place of one; in a block each part is another, as one that is off may be left out whole."""
    if isinstance(value, Mapping):
        return {name: _another(part) for name, part in value.items()}
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value}-" if isinstance(value, str) else None


def carry(
    body: Body, live: Body, ignore: tuple[str, ...], renamed: Mapping[str, str], prefix: str = ""
) -> Body:
    """`body` with all that stands at ignored paths and that it does not hold itself."""
    below = [path.removeprefix(prefix).partition(".")[0] for path in ignore if path.startswith(prefix)]
    result = dict(body)
    for name, value in live.items():
        known = renamed.get(f"{prefix}{name}") or property_name(name, value, below)
        if known is None:
            continue
        given = result.get(name)
        if f"{prefix}{known}" in ignore:
            if given in (None, [], {}):
                result[name] = value
        elif isinstance(given, Mapping) and isinstance(value, Mapping):
            result[name] = carry(dict(given), dict(value), ignore, renamed, f"{prefix}{known}.")
    return result


def _told(value: Any, assumed: Props) -> Any:
    """A list without what the provider takes for granted in its elements."""
    if not assumed or not isinstance(value, list):
        return value
    return [{name: part for name, part in element.items() if assumed.get(name) != part} for element in value]


class _Partly:
    """Marks what fails inside as the failure of a step of which something was done already."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, CloudError):
            error.partial = True


_PLACES = {"project": "", "zone": "", "location": ""}


def _kept(kind: ResourceKind, inputs: Props) -> Props:
    """What the cloud does not give back and only the program knows."""
    return {name: inputs[name] for name in kind.opaque | kind.fixed if name in inputs}
