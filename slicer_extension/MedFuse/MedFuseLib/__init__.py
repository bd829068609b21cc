"""What the MedFuse module of 3D Slicer is made of.

::

    rows, choices         the volumes with what is said of them; the plain choices before all methods
    modalities, windows   what the scene knows of a volume; what it can be given
    volumes, transforms   nodes <-> arrays, matrices and files
    exports, logic        what is asked for -> files, and the command line of medfuse
    jobs                  the child process: progress, log, cancelling
    folders               the folder that medfuse wrote, as plain values
    nodes, scores         the nodes of a run, which are found again by the next one; tables and charts
    results               that folder -> nodes of the scene, in one step
    runs                  all of that as one thing that is started, cancelled and cleaned up
    dependencies          what is not installed, and how it is
    methods, samples      what medfuse offers; pairs of generated scans
    expected, verdicts    how long a run is likely to take; how its verdicts and warnings look
    views                 what the application shows of a result
    forms, boxes          the parts of the panel that Qt Designer cannot draw
    frames                the rows of the volumes

``forms``, ``boxes`` and ``frames`` need Qt, ``views`` the application; the rest is tested without both.
"""
