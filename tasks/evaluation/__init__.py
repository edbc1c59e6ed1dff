"""Scores of a model, and the report page."""
