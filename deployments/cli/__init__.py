"""The ``nasflow`` command: one module a group of verbs.

To add a verb, write a function with ``@app.command(cls=Verb)`` in the module of its group:

- ``stack``: this machine and the local stack;
- ``labels``: exports, read without server and store;
- ``training``: training and scoring, without server and store;
- ``service``: what a Prefect server and a store are asked for;
- ``runs`` and ``schedule``: flow runs, and when they begin;
- ``models``: published models;
- ``detection``: new images.

Its work belongs into a module outside of this package, what people see of it into ``show``. A new group is added in
``main``.
"""
