"""What the MedFuse module of 3D Slicer is made of; none of it needs Qt or the application.

========================  =====================================================================
:mod:`volumes`            volume node <-> array and matrix, export to NRRD
:mod:`logic`              what is asked for -> exported inputs and the command line of ``medfuse``
:mod:`jobs`               the child process: progress, log, cancelling
:mod:`results`            the folder that ``medfuse`` wrote -> nodes of the scene
:mod:`runs`               the four above as one thing that is started, cancelled and cleaned up
:mod:`dependencies`       what is not installed, and how it is
========================  =====================================================================
"""
