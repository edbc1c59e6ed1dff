"""The edge to Roboflow: versions, exports and their download."""
