"""Conditions of a path entry beside its paths: headers, query parameters, methods."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spillway.config.fields import Model, Shape, Short

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE")
"""Methods of HTTP (RFC 9110, and PATCH of RFC 5789)."""

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"]
HeaderName = Annotated[
    str,
    Shape(
        "the name of a header",
        r":authority|[!#$%&'*+.^_`|~0-9A-Za-z-]+",
        "x-tier",
        "letters, digits and hyphens, without colon and value",
    ),
]
"""A field name of RFC 9110; `:authority` is the host with its port, as Google names it (py:HttpHeaderMatch)."""
ParameterName = Annotated[
    str,
    Shape("the name of a query parameter", r"[^\s&=?#]+", "model", "as it stands before the equals sign"),
]
Condition = Annotated[str, Field(min_length=1, max_length=1024)]


class RangeConfig(Model):
    """Whole numbers from one to another."""

    start: int
    """Smallest number that matches."""
    end: int
    """First number that matches no longer."""


class HeaderMatchConfig(Model):
    """What a header of the request must be. A text alone is its `exact` value."""

    exact: Condition | None = None
    """The whole value."""
    prefix: Condition | None = None
    """How the value begins."""
    suffix: Condition | None = None
    """How the value ends."""
    present: bool | None = None
    """true: the header is there, whatever its value; false: it is not."""
    range: RangeConfig | None = None
    """The value is a whole number in this range."""
    invert: bool = False
    """Match where the condition does not hold; a request without the header matches, too."""


class QueryMatchConfig(Model):
    """What a parameter of the query must be. A text alone is its `exact` value."""

    exact: Condition | None = None
    """The whole value."""
    present: Literal[True] | None = None
    """The parameter is there, whatever its value; Google has no condition for one that is missing."""


Headers = dict[HeaderName, Annotated[HeaderMatchConfig, Short("exact")]]
"""Conditions by the name of the header."""
Query = dict[ParameterName, Annotated[QueryMatchConfig, Short("exact")]]
"""Conditions by the name of the query parameter."""
