"""Deformable registration: a displacement field on top of the rigid result."""
