"""Schema definitions: what a kind of record must look like, and where each of its attributes is stored. Pure: no I/O, no SQL."""
