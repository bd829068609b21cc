"""What the MedFuse module of 3D Slicer is made of.

::

    volumes, transforms   nodes <-> arrays, matrices and files
    exports, logic        what is asked for -> files, and the command line of medfuse
    jobs                  the child process: progress, log, cancelling
    folders               the folder that medfuse wrote, as plain values
    nodes, scores         the nodes of a run, which are found again by the next one; tables and charts
    results               that folder -> nodes of the scene, in one step
    runs                  all of that as one thing that is started, cancelled and cleaned up
    dependencies          what is not installed, and how it is
    methods, samples      what medfuse offers; pairs of generated scans
    forms                 the parts of the panel that Qt Designer cannot draw

Only ``forms`` needs Qt, and none the application, so that the rest is tested without both.
"""
