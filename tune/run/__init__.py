"""A sweep on disk: setting it up, its journal, status and results, and the requests to stop it.
``tune.dispatch`` and ``scripts`` may import it; it imports the rooms below it, but never Ray.
Begin with ``journal`` (the source of truth), then ``sweep_setup`` and ``results``.
"""
