"""Methods that look at images with trained networks; the networks themselves are in ``architectures``."""
