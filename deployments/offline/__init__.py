"""What runs on this machine alone, without a server: check, diff, train, score."""
