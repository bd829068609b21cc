"""What the MedFuse module of 3D Slicer is made of; only :mod:`forms` needs Qt, none the application.

========================  =====================================================================
:mod:`volumes`            volume node <-> array and matrix, export to NRRD
:mod:`transforms`         transform node <-> matrix, to and from the world
:mod:`exports`            what goes to disk, and where it lies
:mod:`logic`              what is asked for -> exported inputs and the command line of ``medfuse``
:mod:`jobs`               the child process: progress, log, cancelling
:mod:`folders`            the folder that ``medfuse`` wrote, read and checked
:mod:`scores`             its scores -> tables and charts
:mod:`nodes`              the folder of one run in the scene, made anew or used again
:mod:`results`            all of it -> nodes of the scene
:mod:`runs`               export, child and import as one thing: started, cancelled, cleaned up
:mod:`dependencies`       what is not installed, and how it is
:mod:`methods`            what medfuse offers: methods, presets, parameters, registrations
:mod:`forms`              widgets that Slicer's own connectors do not know
:mod:`samples`            pairs of generated scans for Sample Data
========================  =====================================================================
"""
