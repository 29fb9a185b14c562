"""The command line, the driver process, benchmarks, soak tests, set-up scripts and launch files.
Nothing imports it but tests; it imports ``tune``, ``data``, ``models`` and ``search_spaces``.
Begin with ``cli.py``, then ``commands/search.py`` and ``launch.py``; ``driver_main.py`` follows.
"""
