"""The gallery of what to label next."""
