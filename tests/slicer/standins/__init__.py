"""Stand-ins for what 3D Slicer adds to Python and slicer-core does not hold.

=====================  ==========================================================================
:mod:`pythonqt`        ``qt``: PySide6 with PythonQt's manners, and a strict loader of ``.ui`` files
:mod:`widgets`         ``ctk`` and the qMRML widgets that the panel uses
:mod:`parameter_node`  ``slicer.parameterNodeWrapper``: typed fields, two-way binding
:mod:`application`     ``slicer.app``, the base classes of scripted modules, Sample Data
=====================  ==========================================================================

All are written from the public documentation, do only what the panel needs, and refuse the rest
loudly: what works here is not proven to work in the application, but what is misspelt fails.
"""
