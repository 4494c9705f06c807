"""The audit log: from events to a signed tree, and what is made of it."""
