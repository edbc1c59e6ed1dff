"""What a recipe and a scoring give on fixed input, recorded with their numbers.

A change of what they give needs another number, or finished runs and scores of the older kind would be used again.
``tests/integration/test_numbers.py`` compares, and ``python -m tests.numbers`` records the values of a new number.

Values are such that are the same on all processors: integers, parameters, what is drawn from seeded generators, and
sums in floating point that are compared with a tolerance. So these changes are not seen:

- changes of less than a ten-thousandth, such as by the rounding of another precision or of another order of a sum
- the arithmetic of a training step: forward and backward pass, AdamW. ``tests/integration/test_training_step.py`` and
  ``test_trainer_parity.py`` compare these with super-gradients' own
- what only larger networks, several devices or a GPU do
- defaults of a plan, such as the learning rate: they are in the spec, which is another one then
- times, such as the speed of a model
"""
