"""Use cases: the only place where a change is made."""
