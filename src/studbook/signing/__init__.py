"""OpenSSF model signing: a folder's digest, signatures over it, their verification. It knows nothing else of Studbook."""
