"""What a run can tell of itself without being asked: its code, environment and command line.

Not captured: the host's and the user's name (they name a person, and the record is kept for good) and environment
variables (they hold secrets). Whoever wants the host's name recorded says so: `run.set_attributes({"host": …})`.
Nothing here raises; what cannot be found out is left out.
"""

from __future__ import annotations
