"""The stories: each flow reads like the sentence that tells what it does."""
