"""Audio files to batches of waveforms: corpus scan, packed store, splits, windows, synthetic data.
Tune and scripts may import all of it, models only ``name_suggestions``; it imports no other folder.
Begin with ``corpus.py``, then ``store.py``, ``splits/fold_windows.py`` and ``batches.py``.
"""
