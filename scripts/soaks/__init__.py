"""Long-running tests of whole sweeps, models and GPUs, and the local Ray cluster of some of them.
Only ``scripts/soak`` and tests import them; unlike the product they may start Ray clusters.
Begin with ``kill.py``, then ``local_nodes.py``; ``models.py`` and ``gpu/`` stand apart.
"""
