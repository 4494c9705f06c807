"""The one way in which reading data fails."""


class DataError(ValueError):
    """A file is no table that can be read; the message says where and how to mend it."""
