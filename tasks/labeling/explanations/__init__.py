"""What the findings of a check mean to a person; severity, message and limit of each are in ``finding_kinds``."""
