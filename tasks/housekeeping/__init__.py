"""Housekeeping: what of the store nothing needs any more, and removing it."""
