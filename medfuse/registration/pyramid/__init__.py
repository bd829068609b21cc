"""Volumes as the search compares them: clamped, masked, isotropic, at several resolutions; edges of them."""
