"""Long-running tests of whole sweeps and models, and the local Ray cluster that they run on.
Only ``scripts/soak`` and tests import them; unlike the product they may start Ray clusters.
Begin with ``kill.py`` (sweeps under random kills), then ``local_nodes.py``; ``models.py`` is apart.
"""
