"""A small synthetic corpus in GTZAN's layout, and faults to inject into one.
``scripts`` and the tests import it; it imports ``clip_names`` and ``errors`` of ``data``.
Begin with ``synth.py``, then ``inject_faults.py``.
"""
