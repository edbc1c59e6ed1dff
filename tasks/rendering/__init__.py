"""HTML pages from templates, and text that is safe in Markdown; what they show is decided elsewhere."""
