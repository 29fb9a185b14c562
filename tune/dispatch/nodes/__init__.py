"""The nodes of a cluster: how they describe themselves, which get segments, which are set aside.
Only the rest of ``tune/dispatch`` may import it; it imports the rest of tune, and Ray.
Begin with ``nodes.py``.
"""
