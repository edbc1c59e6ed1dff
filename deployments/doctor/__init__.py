"""``nasflow doctor``: what is wrong with this machine, the store and the server, with a remedy each."""
