"""Checks of labels: what can be wrong with boxes, image files, classes and splits, one module each.

To add a check: add its code to ``tasks.labeling.finding_kinds``, and count it in the module here that looks at the same
thing. Checks of one box or one file run in ``tasks.labeling.export_images``, checks of all images together in
``tasks.labeling.snapshot``.
"""
