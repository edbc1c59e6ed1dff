"""Verbs that compute on this machine, without a Prefect server; some read models and labels from the store."""
