"""The engine that drives the Pulumi CLI through the automation API."""
