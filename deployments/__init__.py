"""The nasflow command, the local stack and prefect.yaml."""
