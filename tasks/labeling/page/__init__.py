"""The page of ``nasflow check --report``."""
