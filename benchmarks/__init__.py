"""Benchmarks: how fast the project is, and against what. The sides of a comparison run in turn, in one process."""
