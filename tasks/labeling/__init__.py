"""Labels: exports in, snapshots out.

- ``formats``: how each label format is read. To add one, see its docstring.
- ``checks``: what can be wrong with labels. To add a check, see its docstring.
- ``inspection``: reads and checks one export on disk; ``snapshot`` freezes the result.
- ``roboflow``: fetches exports. ``page``: shows an inspection. ``in_store`` and ``task``: the store and Prefect.
"""
