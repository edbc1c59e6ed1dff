"""What every stage uses of Prefect: retries, child flow runs, progress; and looking after crashed and silent runs.

Heartbeats are in ``liveness``, what is done about their absence in ``silence``, ``supervision``, ``recovery`` and
``restarts``.
"""
