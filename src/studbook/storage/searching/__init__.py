"""Search: from a checked filter to SQL, the most selective condition first.

`conditions` turns each condition into SQL, `plans` decides where a search begins, `finding` runs it.
"""
