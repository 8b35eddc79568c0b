"""The two roles of Spillway in Google Cloud: every permission that a path of it uses, the methods that need it, and why.

Methods and permissions carry the names of Google's API reference. Where a body refers to another resource, Google asks
for a permission on that one besides: `use`, or `useReadOnly` for a health check. It has no `use` for SSL certificates
and service LB policies, so `get` stands for it. The state of Pulumi needs access to its bucket, which is granted there
and not by a role of the project.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Who needs a permission. `build` holds all of `run` besides."""

    RUN = "run"
    """The daemon while it runs: looks, reads again, moves traffic."""
    BUILD = "build"
    """`spillway up` and `destroy`, and a daemon that provisions itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """One permission."""

    name: str
    """Such as `compute.backendServices.update`."""
    methods: tuple[str, ...]
    """The methods that need it, such as `backendServices.update`."""
    role: Role
    """The smaller of the roles that hold it."""
    purpose: str
    """What cannot be done without it."""


def _of(role: Role, purpose: str, methods: dict[str, str]) -> Iterator[Permission]:
    """Permissions that serve one purpose; `methods` are separated by spaces."""
    for name, using in methods.items():
        yield Permission(name=name, methods=tuple(using.split()), role=role, purpose=purpose)


_OBSERVE = {
    "compute.backendServices.list": "backendServices.list",
    "compute.backendServices.get": "backendServices.get backendServices.getHealth",
    "networkservices.serviceLbPolicies.list": "serviceLbPolicies.list",
    "monitoring.timeSeries.list": "timeSeries.list",
    "monitoring.metricDescriptors.get": "metricDescriptors.get",
}
_READ_AGAIN = {
    "certificatemanager.certmapentries.list": "certificateMapEntries.list",
    "certificatemanager.certmaps.get": "certificateMaps.get",
    "certificatemanager.certs.get": "certificates.get",
    "certificatemanager.dnsauthorizations.get": "dnsAuthorizations.get",
    "compute.backendBuckets.get": "backendBuckets.get backendBuckets.patch",
    "compute.securityPolicies.get": "securityPolicies.get securityPolicies.patch",
    "compute.globalAddresses.get": "globalAddresses.get",
    "compute.globalForwardingRules.get": "globalForwardingRules.get",
    "compute.healthChecks.get": "healthChecks.get",
    "compute.instanceGroups.get": "instanceGroups.get",
    "compute.networkEndpointGroups.get": "networkEndpointGroups.get",
    "compute.sslCertificates.get": "sslCertificates.get targetHttpsProxies.insert targetHttpsProxies.setSslCertificates",
    "compute.sslPolicies.get": "sslPolicies.get sslPolicies.patch",
    "compute.targetHttpProxies.get": "targetHttpProxies.get",
    "compute.targetHttpsProxies.get": "targetHttpsProxies.get targetHttpsProxies.patch",
    "compute.urlMaps.get": "urlMaps.get",
    "networkservices.serviceLbPolicies.get": "serviceLbPolicies.get backendServices.insert backendServices.update",
}
_MOVE = {
    "compute.backendServices.update": "backendServices.update",
    "compute.healthChecks.useReadOnly": "backendServices.insert backendServices.update",
    "compute.instanceGroups.use": "backendServices.insert backendServices.update",
    "compute.networkEndpointGroups.use": "backendServices.insert backendServices.update",
    "compute.securityPolicies.use": "backendServices.update backendServices.setSecurityPolicy backendServices.setEdgeSecurityPolicy backendBuckets.setEdgeSecurityPolicy",
    "compute.regionNetworkEndpointGroups.use": "backendServices.insert backendServices.update",
    "networkservices.serviceLbPolicies.update": "serviceLbPolicies.patch",
}
_WAIT = {
    "compute.globalOperations.get": "globalOperations.get",
    "networkservices.operations.get": "operations.get",
}
_BACKENDS = {
    "compute.backendServices.create": "backendServices.insert",
    "compute.backendServices.delete": "backendServices.delete",
    "compute.backendServices.use": "urlMaps.insert urlMaps.update",
    "compute.healthChecks.create": "healthChecks.insert",
    "compute.healthChecks.delete": "healthChecks.delete",
    "compute.healthChecks.update": "healthChecks.update",
    "networkservices.serviceLbPolicies.create": "serviceLbPolicies.create",
    "networkservices.serviceLbPolicies.delete": "serviceLbPolicies.delete",
}
_EDGE = {
    "compute.backendBuckets.addSignedUrlKey": "backendBuckets.addSignedUrlKey",
    "compute.backendBuckets.create": "backendBuckets.insert",
    "compute.backendBuckets.delete": "backendBuckets.delete",
    "compute.backendBuckets.deleteSignedUrlKey": "backendBuckets.deleteSignedUrlKey",
    "compute.backendBuckets.setSecurityPolicy": "backendBuckets.setEdgeSecurityPolicy",
    "compute.backendBuckets.update": "backendBuckets.update",
    "compute.backendBuckets.use": "urlMaps.insert urlMaps.update",
    "compute.backendServices.addSignedUrlKey": "backendServices.addSignedUrlKey",
    "compute.backendServices.deleteSignedUrlKey": "backendServices.deleteSignedUrlKey",
    "compute.backendServices.setSecurityPolicy": "backendServices.setSecurityPolicy backendServices.setEdgeSecurityPolicy",
    "compute.securityPolicies.create": "securityPolicies.insert",
    "compute.securityPolicies.delete": "securityPolicies.delete",
    "compute.securityPolicies.setLabels": "securityPolicies.setLabels",
    "compute.securityPolicies.update": "securityPolicies.addRule securityPolicies.patchRule securityPolicies.removeRule",
}
_GROUPS = {
    "compute.instanceGroups.create": "instanceGroups.insert",
    "compute.instanceGroups.delete": "instanceGroups.delete",
    "compute.instanceGroups.update": "instanceGroups.setNamedPorts",
    "compute.networkEndpointGroups.create": "networkEndpointGroups.insert",
    "compute.networkEndpointGroups.delete": "networkEndpointGroups.delete",
    "compute.networks.use": "networkEndpointGroups.insert instanceGroups.insert",
    "compute.subnetworks.use": "networkEndpointGroups.insert",
    "compute.zoneOperations.get": "zoneOperations.get",
}
_FRONTENDS = {
    "compute.globalAddresses.create": "globalAddresses.insert",
    "compute.globalAddresses.delete": "globalAddresses.delete",
    "compute.globalAddresses.setLabels": "globalAddresses.setLabels",
    "compute.globalAddresses.use": "globalForwardingRules.insert",
    "compute.globalForwardingRules.create": "globalForwardingRules.insert",
    "compute.globalForwardingRules.delete": "globalForwardingRules.delete",
    "compute.globalForwardingRules.setLabels": "globalForwardingRules.setLabels",
    "compute.globalForwardingRules.setTarget": "globalForwardingRules.setTarget",
    "compute.targetHttpProxies.create": "targetHttpProxies.insert",
    "compute.targetHttpProxies.delete": "targetHttpProxies.delete",
    "compute.targetHttpProxies.setUrlMap": "targetHttpProxies.setUrlMap",
    "compute.targetHttpProxies.use": "globalForwardingRules.insert globalForwardingRules.setTarget",
    "compute.urlMaps.create": "urlMaps.insert",
    "compute.urlMaps.delete": "urlMaps.delete",
    "compute.urlMaps.update": "urlMaps.update",
    "compute.urlMaps.use": "targetHttpProxies.insert targetHttpProxies.setUrlMap targetHttpsProxies.insert targetHttpsProxies.setUrlMap",
}
_HTTPS = {
    "certificatemanager.certmaps.use": "targetHttpsProxies.insert targetHttpsProxies.setCertificateMap",
    "networksecurity.serverTlsPolicies.use": "targetHttpsProxies.insert targetHttpsProxies.patch",
    "compute.sslCertificates.create": "sslCertificates.insert",
    "compute.sslCertificates.delete": "sslCertificates.delete",
    "compute.sslPolicies.create": "sslPolicies.insert",
    "compute.sslPolicies.delete": "sslPolicies.delete",
    "compute.sslPolicies.update": "sslPolicies.patch",
    "compute.sslPolicies.use": "targetHttpsProxies.insert targetHttpsProxies.setSslPolicy",
    "compute.targetHttpsProxies.create": "targetHttpsProxies.insert",
    "compute.targetHttpsProxies.delete": "targetHttpsProxies.delete",
    "compute.targetHttpsProxies.setCertificateMap": "targetHttpsProxies.setCertificateMap",
    "compute.targetHttpsProxies.setQuicOverride": "targetHttpsProxies.setQuicOverride",
    "compute.targetHttpsProxies.setSslCertificates": "targetHttpsProxies.setSslCertificates",
    "compute.targetHttpsProxies.setSslPolicy": "targetHttpsProxies.setSslPolicy",
    "compute.targetHttpsProxies.setUrlMap": "targetHttpsProxies.setUrlMap",
    "compute.targetHttpsProxies.update": "targetHttpsProxies.patch",
    "compute.targetHttpsProxies.use": "globalForwardingRules.insert globalForwardingRules.setTarget",
}
_TAKE_OVER = {
    "compute.forwardingRules.list": "forwardingRules.aggregatedList",
    "compute.globalAddresses.list": "globalAddresses.list",
    "compute.globalForwardingRules.list": "globalForwardingRules.list",
    "compute.instanceGroups.list": "instanceGroups.aggregatedList",
    "compute.networkEndpointGroups.list": "networkEndpointGroups.aggregatedList",
    "compute.regionNetworkEndpointGroups.get": "regionNetworkEndpointGroups.get",
    "compute.targetHttpProxies.list": "targetHttpProxies.list",
    "compute.targetHttpsProxies.list": "targetHttpsProxies.list",
    "compute.urlMaps.list": "urlMaps.list urlMaps.aggregatedList",
}

OBSERVING = "seeing traffic, health and settings"
"""The purpose without which the daemon is blind; a daemon that only observes needs no other."""

PERMISSIONS: tuple[Permission, ...] = (
    *_of(Role.RUN, OBSERVING, _OBSERVE),
    *_of(Role.RUN, "reading again what was built: at a start, after a crash, for a plan", _READ_AGAIN),
    *_of(Role.RUN, "moving traffic", _MOVE),
    *_of(Role.RUN, "seeing what became of a write", _WAIT),
    *_of(Role.BUILD, "building and removing services, their policies and health checks", _BACKENDS),
    *_of(Role.BUILD, "protecting services, caching, and building and removing buckets", _EDGE),
    *_of(Role.BUILD, "building and removing groups that the configuration creates", _GROUPS),
    *_of(Role.BUILD, "building and removing address, frontends and routes", _FRONTENDS),
    *_of(Role.BUILD, "building and removing HTTPS", _HTTPS),
    *_of(
        Role.BUILD,
        "finding a load balancer that stands (`spillway adopt`), and groups for a new one (`spillway init`)",
        _TAKE_OVER,
    ),
)
"""Every permission once, by role and purpose.

Sources: the IAM section of each method in the API reference of Compute, Network Services and Monitoring, and the
permissions of the predefined roles compute.loadBalancerAdmin, compute.networkAdmin and certificatemanager.editor.
"""


def of_role(role: Role) -> tuple[Permission, ...]:
    """What a role holds."""
    return tuple(each for each in PERMISSIONS if role is Role.BUILD or each.role is Role.RUN)


def names_of(role: Role) -> frozenset[str]:
    """The names of what a role holds."""
    return frozenset(each.name for each in of_role(role))


_IDS = {Role.RUN: "spillwayRun", Role.BUILD: "spillwayBuild"}
_TITLES = {Role.RUN: "Spillway daemon", Role.BUILD: "Spillway provisioning"}


def create_command(role: Role, project: str) -> str:
    """The `gcloud` command that makes the role."""
    names = ",".join(sorted(names_of(role)))
    return (
        f'gcloud iam roles create {_IDS[role]} --project={project} --title="{_TITLES[role]}" --stage=GA'
        f" --permissions={names}"
    )


def add_command(role: Role, project: str, missing: Iterable[str]) -> str:
    """The `gcloud` command that adds to the role what it lacks."""
    return f"gcloud iam roles update {_IDS[role]} --project={project} --add-permissions={','.join(sorted(missing))}"
