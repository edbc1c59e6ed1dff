"""Training: the spec, the process that runs it, and worker/, the only code that imports torch."""
