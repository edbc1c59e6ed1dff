"""What other tools write from one set of labels, in every format that nasflow reads: is it read as it was meant?"""
