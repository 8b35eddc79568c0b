"""Cloud CDN before services and buckets, and backend buckets themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spillway.adapters.program.kept import declare
from spillway.adapters.program.protection import policy_path, secret
from spillway.config import names

if TYPE_CHECKING:
    import pulumi

    from spillway.adapters.program.kept import Kept
    from spillway.config.buckets import BucketConfig
    from spillway.config.caching import BucketCdnConfig, CdnConfig, SignedUrlKeyConfig
    from spillway.config.model import Config
    from spillway.config.services import ServiceConfig


def buckets(config: Config, kept: Kept) -> dict[str, pulumi.Output[str]]:
    """Declare every backend bucket; their ids by name in the config."""
    return {
        name: _bucket(config, name, bucket, kept) for name, bucket in sorted(config.topology.buckets.items())
    }


def _bucket(config: Config, key: str, given: BucketConfig, kept: Kept) -> pulumi.Output[str]:
    from spillway.adapters.program.sdk import compute

    name = names.backend_bucket(config.name, key)
    more: dict[str, Any] = {}
    if given.compression is not None:
        more["compression_mode"] = given.compression
    if given.custom_response_headers:
        more["custom_response_headers"] = list(given.custom_response_headers)
    if given.edge_security_policy is not None:
        more["edge_security_policy"] = policy_path(config, given.edge_security_policy)
    if not isinstance(given.cdn, bool):
        more["cdn_policy"] = _bucket_policy(given.cdn)
    resource = declare(
        compute.BackendBucket,
        name,
        kept,
        name=name,
        project=config.project,
        bucket_name=given.bucket,
        enable_cdn=given.cdn is not False,
        extra=given.extra,
        **more,
    )
    if not isinstance(given.cdn, bool):
        for signed in given.cdn.signed_url_keys:
            _key(compute.BackendBucketSignedUrlKey, config, name, signed, kept, backend_bucket=resource.name)
    result: pulumi.Output[str] = resource.id
    return result


def service_cdn(given: bool | CdnConfig | None) -> dict[str, Any]:  # noqa: FBT001 the key's own form
    """The arguments of a backend service that say what is cached; nothing where the config says nothing."""
    if given is None:
        return {}
    if isinstance(given, bool):
        return {"enable_cdn": given}
    return {"enable_cdn": True, "cdn_policy": _service_policy(given)}


def service_keys(config: Config, service: str, resource: Any, given: ServiceConfig, kept: Kept) -> None:
    """Declare the keys that sign URLs of a service; `service` is the name of its resource."""
    from spillway.adapters.program.sdk import compute

    cdn = given.cdn
    if cdn is None or isinstance(cdn, bool):
        return
    for signed in cdn.signed_url_keys:
        _key(
            compute.BackendServiceSignedUrlKey,
            config,
            service,
            signed,
            kept,
            backend_service=resource.name,
        )


def _key(kind: Any, config: Config, owner: str, signed: SignedUrlKeyConfig, kept: Kept, /, **of: Any) -> None:
    """Declare one key. Another content replaces it under the same name, which signed URLs carry: the old one goes first."""
    import pulumi

    declare(
        kind,
        f"{owner}-{signed.name}",
        kept,
        delete_before_replace=True,
        name=signed.name,
        project=config.project,
        key_value=pulumi.Output.secret(secret(signed.key_file)),
        **of,
    )


def _service_policy(given: CdnConfig) -> Any:
    from spillway.adapters.program.sdk import compute

    args = compute.BackendServiceCdnPolicyArgs
    key = given.cache_key
    more = {
        "negative_caching_policies": [
            compute.BackendServiceCdnPolicyNegativeCachingPolicyArgs(code=entry.code, ttl=round(entry.ttl))
            for entry in given.negative_caching_policy
        ],
        "bypass_cache_on_request_headers": [
            compute.BackendServiceCdnPolicyBypassCacheOnRequestHeaderArgs(header_name=header)
            for header in given.bypass_cache_on_request_headers
        ],
        "cache_key_policy": None
        if key is None
        else compute.BackendServiceCdnPolicyCacheKeyPolicyArgs(
            include_host=key.include_host,
            include_protocol=key.include_protocol,
            include_query_string=key.include_query_string,
            query_string_whitelists=list(key.query_string_whitelist) or None,
            query_string_blacklists=list(key.query_string_blacklist) or None,
            include_http_headers=list(key.include_http_headers) or None,
            include_named_cookies=list(key.include_named_cookies) or None,
        ),
    }
    return args(**_times(given), **{name: value for name, value in more.items() if value})


def _bucket_policy(given: BucketCdnConfig) -> Any:
    from spillway.adapters.program.sdk import compute

    key = given.cache_key
    more = {
        "negative_caching_policies": [
            compute.BackendBucketCdnPolicyNegativeCachingPolicyArgs(code=entry.code, ttl=round(entry.ttl))
            for entry in given.negative_caching_policy
        ],
        "bypass_cache_on_request_headers": [
            compute.BackendBucketCdnPolicyBypassCacheOnRequestHeaderArgs(header_name=header)
            for header in given.bypass_cache_on_request_headers
        ],
        "cache_key_policy": None
        if key is None
        else compute.BackendBucketCdnPolicyCacheKeyPolicyArgs(
            query_string_whitelists=list(key.query_string_whitelist) or None,
            include_http_headers=list(key.include_http_headers) or None,
        ),
    }
    return compute.BackendBucketCdnPolicyArgs(
        **_times(given), **{name: value for name, value in more.items() if value}
    )


def _times(given: CdnConfig | BucketCdnConfig) -> dict[str, Any]:
    """What both kinds of policy have; what is not given is left to Google."""
    spans = {
        "default_ttl": given.default_ttl,
        "max_ttl": given.max_ttl,
        "client_ttl": given.client_ttl,
        "serve_while_stale": given.serve_while_stale,
        "signed_url_cache_max_age_sec": given.signed_url_cache_max_age,
    }
    found: dict[str, Any] = {name: round(span) for name, span in spans.items() if span is not None}
    found["cache_mode"] = given.cache_mode
    if given.negative_caching is not None:
        found["negative_caching"] = given.negative_caching
    if given.request_coalescing is not None:
        found["request_coalescing"] = given.request_coalescing
    return found
