"""Benchmarks: what is promised about speed, measured; ``python -m benchmarks.run`` writes the figures into RESULTS.md."""
