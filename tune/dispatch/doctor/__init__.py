"""``genretune doctor``: what the nodes of a cluster tell, and what is wrong before a sweep.
Only ``scripts`` may import it; it imports the rest of tune, and Ray.
Begin with ``check_nodes.py`` and ``training_check.py``.
"""
