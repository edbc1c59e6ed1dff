"""Which model is in use: the gate, the registry and its aliases."""
