"""Pages and Markdown from templates, whatever they show."""
