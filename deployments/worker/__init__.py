"""``nasflow worker``: workers of this machine, started after the checks that matter for them."""
