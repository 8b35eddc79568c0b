"""Reasons and assessments in words."""
