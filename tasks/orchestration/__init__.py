"""What every stage uses of Prefect: retries, child flow runs, progress."""
