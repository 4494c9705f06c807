"""Governance: policies as data, their evaluation, approvals, coverage of frameworks. Pure: no I/O, no clock, no SQL."""
