"""Commands about policies, approvals and what is said of records, one module a noun."""
