"""Auki sensor logs and clusters."""
