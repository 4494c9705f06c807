"""An RFC 6962 log: hashing, trees, tiles, proofs, notes. Pure: no I/O, no clock, nothing of Studbook."""
