"""The REST API: requests become commands, answers become JSON, refusals become problem documents."""
