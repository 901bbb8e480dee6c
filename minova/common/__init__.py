"""Mechanisms every process uses. Nothing here knows what an instance is."""
