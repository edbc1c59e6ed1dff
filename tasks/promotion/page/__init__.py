"""The page about a project: its champion, its versions over time, and the history of the champion."""
