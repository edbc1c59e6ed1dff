"""What is asked of a Prefect server and a store from outside: registering, flow runs, published models.

Prefect is imported inside functions: it reads its settings when it is imported, and the local stack sets those first.
"""
