"""The ``nasflow`` command: one module a group of verbs."""
