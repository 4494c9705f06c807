"""The command line: one module a noun, each a thin layer over the SDK or, for the server's own commands, the server."""
