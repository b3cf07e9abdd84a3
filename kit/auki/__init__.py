"""Auki sensor logs: segments, payloads, clocks and frames, from files to Arrow tables."""
