"""The networks of the methods, as plain torch modules; imported only by a running method."""
