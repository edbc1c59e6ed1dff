"""What to label next: the measures of an image, the choice under a budget, its page, and what was sent."""
