"""The words of the registry as values: pure, without I/O, clock or SQL."""
