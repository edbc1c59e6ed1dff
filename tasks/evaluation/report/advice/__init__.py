"""What to do next, in sentences: each rule turns scores or a history into one sentence and names itself. Pure."""
