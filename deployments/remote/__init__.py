"""What is asked of a Prefect server and a store from outside: registering, flow runs, published models."""
