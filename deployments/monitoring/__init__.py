"""What a Prefect server and a store know, as numbers for Prometheus: ``nasflow metrics``."""
