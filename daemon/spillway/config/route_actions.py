"""What becomes of requests on a route: target, redirect, rewrite, headers, mirroring, retries, error pages."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from spillway.config.fields import Between, Duration, Model, Name, Shape, Short, parse_error_code
from spillway.config.route_matches import HeaderName, Method

REDIRECT_CODES = {
    301: "MOVED_PERMANENTLY_DEFAULT",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}
"""Google's names of the statuses (py:HttpRedirectAction.redirect_response_code)."""

RetryCondition = Literal[
    "5xx",
    "gateway-error",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
]
"""py:HttpRetryPolicy.retry_conditions; the last five are states of gRPC."""


Path = Annotated[
    str,
    Shape("a path", r"/[^?#\s]{0,1023}", "/v2/", "a slash first, without query, 1024 characters at most"),
]
HostName = Annotated[
    str,
    Shape(
        "a host",
        r"[A-Za-z0-9]([A-Za-z0-9.-]{0,248}[A-Za-z0-9])?(:[0-9]{1,5})?",
        "api.example.com",
        "a name or an address, with a port where it has one, without scheme and path",
    ),
]
HeaderValue = Annotated[str, Field(max_length=8192)]
Headers = dict[HeaderName, HeaderValue]
ErrorCode = Annotated[
    str,
    BeforeValidator(parse_error_code),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 400, "maximum": 599}, {"enum": ["4xx", "5xx"]}]}
    ),
]


class RedirectConfig(Model):
    """The balancer answers with another URL; no service sees the request. What is not given stays as it was asked."""

    host: HostName | None = None
    """Host of the new URL."""
    path: Path | None = None
    """Path of the new URL, as a whole."""
    prefix: Path | None = None
    """Replaces the part of the path that was matched, and keeps the rest; not together with `path`."""
    code: Literal[301, 302, 303, 307, 308] = 301
    """Status. 307 and 308 keep the method of the request; clients make a GET of the others."""
    strip_query: bool = False
    """Leave out the query; otherwise it is kept."""
    https: bool = False
    """Make the scheme https. Google takes it only on HTTP frontends: where there is an HTTPS frontend, use `redirect_to_https` of the HTTP one."""


class RewriteConfig(Model):
    """What the service sees instead of what the client asked. A path alone is the `prefix`."""

    prefix: Path | None = None
    """Replaces the part of the path that was matched: `/openai/*` with `/` makes `/v1/x` of `/openai/v1/x`."""
    host: HostName | None = None
    """Replaces the Host header."""
    template: Path | None = None
    """Makes the path of the variables of a path such as `/v1/{model=*}/{rest=**}`: `/{rest}`."""


class HeadersConfig(Model):
    """Changes to headers. Values may hold Google's variables, such as `{client_region}`."""

    set: Headers = Field(default_factory=dict)
    """Headers with their values; what came under the same name is replaced."""
    add: Headers = Field(default_factory=dict)
    """Headers whose values hold a variable, beside what came under the same name. Google puts others in the place of what came, unless it is told otherwise, and the provider cannot tell it."""
    remove: tuple[HeaderName, ...] = ()
    """Names of headers that are taken away."""


class CorsConfig(Model):
    """The balancer answers preflight requests of browsers, and adds the headers of CORS."""

    allow_origins: tuple[str, ...] = ()
    """Origins such as `https://app.example.com`, or `*`. Google takes no regular expressions here."""
    allow_methods: tuple[Method, ...] = ()
    """Methods that pages may use."""
    allow_headers: tuple[str, ...] = ()
    """Headers that pages may send."""
    expose_headers: tuple[str, ...] = ()
    """Headers of answers that pages may read."""
    max_age: Annotated[Duration, Between("1s", "1d", whole=True)] | None = None
    """Time for which browsers keep the answer to a preflight request."""
    allow_credentials: bool = False
    """Let pages send cookies and authorization; browsers refuse it together with the origin `*`."""


class SplitConfig(Model):
    """One of several services that share the requests."""

    service: Name
    """Service that gets its share."""
    weight: Annotated[int, Field(ge=0, le=1000)]
    """0 to 1000; the share is this over the sum of all weights. Moving traffic between regions never changes it, unless the route has `steer`: then this is the weight of a region that is well, 100 to 1000."""
    min_weight: Annotated[int, Field(ge=0, le=1000)] = 0
    """With `steer`: the weight that the daemon leaves it at least. 0 where it may be closed."""
    request_headers: HeadersConfig | None = None
    """Changes to headers of the requests that go to this service, before those of the path and the route."""
    response_headers: HeadersConfig | None = None
    """The same for its answers."""


class SteerConfig(Model):
    """How the weights of a split are moved."""

    name: Name | None = None
    """Under which the split is watched, ordered and told; the route's `matcher` where none is given."""
    policy: str = "default"
    """Name from `policies`. Its floors, steps and dwell hold for the weights as for scalers; it has no failover posture."""


def _form(value: Any) -> str:
    return "switch" if isinstance(value, bool) else "section"


Steer = Annotated[
    Annotated[bool, Tag("switch")] | Annotated[SteerConfig, Tag("section")],
    Discriminator(_form),
]
"""`true`, `false`, or a section."""


class MirrorConfig(Model):
    """A copy of the requests; its answers are thrown away, and no client waits for them. A name alone is the `service`."""

    service: Name
    """Service that gets the copies, with `-shadow` behind the Host. It needs groups of the same kind, and no serverless ones."""
    percent: Annotated[float, Field(gt=0, le=100)] = 100.0
    """Share of the requests that is copied, above 0 to 100 percent."""


class RetriesConfig(Model):
    """Whether the balancer asks again. Without this section Google repeats requests without a body (GET) once, after 502, 503 and 504."""

    attempts: Annotated[int, Field(ge=0)] = 1
    """How often it asks again. 0 turns retries off: Google takes no 0, so a policy is written whose only condition (`cancelled`, a state of gRPC) no plain HTTP answer meets."""
    on: Annotated[tuple[RetryCondition, ...], Field(min_length=1)] = ("gateway-error",)
    """Conditions: `gateway-error` is 502, 503 and 504; `5xx` any 5xx or no answer at all. Requests with a body are repeated, too, so a prompt may be computed twice."""
    per_try_timeout: Annotated[Duration, Between("1ms", "1d")] | None = None
    """Time that each attempt may take; the route's `timeout` where none is given."""


class ErrorRuleConfig(Model):
    """Which page stands for which errors."""

    codes: Annotated[tuple[ErrorCode, ...], Field(min_length=1)]
    """Statuses such as 404, or `4xx` or `5xx` for all of a class; a single one goes before its class."""
    path: Path
    """The page in the bucket, such as `/errors/busy.html`."""
    code: Annotated[int, Field(ge=200, le=599)] | None = None
    """Status that clients get instead."""


class ErrorsConfig(Model):
    """Pages of your own for errors of the service or bucket; retries come first."""

    bucket: Name | None = None
    """Name from `buckets` that holds the pages; on an entry of `paths` the route's where none is given."""
    rules: Annotated[tuple[ErrorRuleConfig, ...], Field(min_length=1)]
    """Pages by status."""


class RouteActions(Model):
    """Where requests go, and what is done with them on the way; the same on a route and on an entry of its `paths`."""

    service: Name | None = None
    """Service that gets them. At most one of `service`, `bucket`, `split` and `redirect`. Where a route has none of them, it is `default_service`; where an entry of `paths` has none, it is what the route has."""
    bucket: Name | None = None
    """Name from `buckets` that answers them."""
    split: tuple[SplitConfig, ...] = ()
    """Services that share them by weight: a canary, or a new model."""
    redirect: RedirectConfig | None = None
    rewrite: Annotated[RewriteConfig, Short("prefix")] | None = None
    timeout: Annotated[Duration, Between("1ms", "1d")] | None = None
    """Longest time for the answer, retries included; the longest `timeout` of the services where none is given."""
    retries: RetriesConfig | None = None
    mirror: Annotated[MirrorConfig, Short("service")] | None = None
    cors: CorsConfig | None = None
    request_headers: HeadersConfig | None = None
    """Changes to headers on the way to the service. Those of a route hold for all its paths, after those of the entry."""
    response_headers: HeadersConfig | None = None
    """Changes to headers on the way to the client; likewise."""
    errors: ErrorsConfig | None = None
    """Pages for errors. Those of a route hold for its paths, too, where an entry has none for the status."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the provider's route action, by its own names, such as `cache_policy`."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Keys of the targets that are given."""
        return tuple(name for name in ("service", "bucket", "split", "redirect") if getattr(self, name))

    @property
    def services(self) -> tuple[str, ...]:
        """Names of the services that these requests may reach, a mirror not among them."""
        return (self.service,) if self.service else tuple(part.service for part in self.split)

    @property
    def settings(self) -> tuple[str, ...]:
        """Keys of what is done on the way, as far as it is given."""
        return tuple(name for name in SETTINGS if getattr(self, name) is not None)


FORWARDING = ("rewrite", "timeout", "retries", "mirror", "cors")
"""What Google does only to requests that it forwards (`routeAction`): not beside a redirect."""
SETTINGS = (*FORWARDING, "request_headers", "response_headers", "errors")
