"""Benchmarks: `make bench` prints one table. Everything is measured in one run, so that the ratios hold."""
