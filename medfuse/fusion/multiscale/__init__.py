"""Methods that join images scale by scale: pyramids, wavelets, base and detail."""
