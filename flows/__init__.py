"""The flows: each reads like the sentence that says what it does."""
