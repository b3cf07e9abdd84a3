"""Auki sensor logs and clusters: segments, payloads, clocks and frames; catalog rows, peers and streams."""
