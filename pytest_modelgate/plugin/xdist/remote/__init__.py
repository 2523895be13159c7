"""Workers on other machines, which see none of the run's folders: xdist's own connection carries what they need.

``terms`` is what they are told at the start, ``hosting`` the side of the process that reports, ``arrival`` and ``link``
that of the worker.
"""
