"""Spillway builds a global Application Load Balancer and moves traffic between its regions."""

__version__ = "0.1.0"
