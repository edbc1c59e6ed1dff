"""The local stack: Prefect server, SeaweedFS and workers as processes of this machine."""
