"""Methods that describe images by few coefficients."""
