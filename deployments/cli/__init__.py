"""The ``nasflow`` command: one module a group of verbs.

To add a verb, write a function with ``@app.command(cls=Verb)`` in the module of its group: ``stack``, ``labels``,
``training``, ``service`` or ``models``. Its work belongs into a module outside of this package, what people see of it
into ``show``. A new group is added in ``main``.
"""
