"""Rigid, similarity and affine registration: where to start, how to climb, the search over all levels."""
