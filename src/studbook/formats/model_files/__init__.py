"""Readers of model files: what a file says of its model, read within bounds, without running code or loading weights."""
