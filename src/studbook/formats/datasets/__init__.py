"""Readers of data: what a table holds in numbers, and a sketch of its rows; never the values of text."""
