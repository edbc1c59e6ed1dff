"""The edge to Roboflow: choosing or generating a version, waiting for its export, and downloading it.

``export`` is the way in. ``access`` is what all modules share, ``api`` and ``http`` send the requests.
"""
