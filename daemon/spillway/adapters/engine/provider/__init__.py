"""The stand-in for the `gcp` resource provider: kinds of resources, what differs, and the requests that change them."""
