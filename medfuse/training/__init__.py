"""Generators of training data and the loops that train what medfuse ships.  torch is needed here."""
