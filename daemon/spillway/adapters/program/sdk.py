"""The provider's classes. Importing this module loads them (about a second): do so at start, not in the first move.

The package warns of a misspelt class of its own whenever it is imported; that is nobody's business here.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from pulumi_gcp import compute, networkservices

    # The package loads its parts lazily: this makes it do so now.
    LOADED = (compute.BackendService, networkservices.ServiceLbPolicies)

__all__ = ["LOADED", "compute", "networkservices"]
