"""Exact and near duplicates of clips: robust hashes of the audio, and how equal ones are found.
``data.scan``, ``data.exclude`` and ``data.splits`` import it; it imports the corpus and the store.
Begin with ``detection.py``, then ``near_duplicate_hash.py``.
"""
