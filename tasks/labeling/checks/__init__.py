"""Checks of labels: what can be wrong with boxes, image files, classes and splits, one module each.

To add a check: add its code to ``tasks.labeling.error_kinds`` or ``note_kinds``, what it means to
``tasks.labeling.explanations``, and count it in the module here that looks at the same thing. Checks of one box or one
file run in ``tasks.labeling.export_images``, checks of what the labels say in ``tasks.labeling.inspection``, checks of
all images together in ``tasks.labeling.snapshot``.
"""
