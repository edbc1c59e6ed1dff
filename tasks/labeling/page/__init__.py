"""The page of an inspection: what an export holds and what is wrong with it, to look at."""
