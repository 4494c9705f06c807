"""${message}."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from studbook.storage.dialects import DETAIL_TABLE_OPTIONS, TABLE_OPTIONS, BigInteger, Bytes, Integer, Real, Text, UuidType

revision: Final = ${repr(up_revision)}
down_revision: Final = ${repr(down_revision)}


def upgrade() -> None:
    """Apply this change."""
    ${upgrades if upgrades else "pass"}
