"""Studies of settings: many models of the same labels, which of them to take, and a page that shows why."""
