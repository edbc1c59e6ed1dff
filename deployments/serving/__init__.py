"""A model over HTTP: ``nasflow serve``."""
