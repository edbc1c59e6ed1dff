"""Label formats: finding out which one an export has, and reading its annotations.

To add a format: write a module with two functions, ``find_files``, which finds the files of one split, and
``read_annotations``, which reads those of an export, and add both to the table in ``registry``. ``voc`` is a short
example. Formats with one label file per image share ``label_files``.
"""
