"""A fusion method and a metric for medfuse, made known by the entry points in ``pyproject.toml``."""
