"""A witness (c2sp.org/tlog-witness): cosigns checkpoints of logs that only ever grow. Stands on `studbook.merkle` alone."""
