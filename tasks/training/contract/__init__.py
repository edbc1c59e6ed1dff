"""The contract with the trainer process: job file, events, exit codes, and the files of a run's folder.

Both sides import it. Nothing here loads torch, Prefect or the store.
"""
