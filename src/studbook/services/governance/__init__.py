"""Use cases of governance: policies and verdicts, approvals, attestations, waivers, findings, recalls, reviews, coverage."""
