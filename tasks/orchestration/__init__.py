"""What every stage needs of Prefect: retries, child flow runs, progress."""
