"""Images, whatever they are used for: their pixels, and what their names tell."""
