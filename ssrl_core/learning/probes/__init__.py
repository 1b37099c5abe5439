"""Probes: what a frozen embedding knows of the labels."""
