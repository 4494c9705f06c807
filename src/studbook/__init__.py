"""Studbook: a registry of model metadata."""
