"""Which clips train and which validate: split files, named splits, folds, and the leakage check.
``tune`` and ``scripts`` may import it; it imports the rest of ``data``.
Begin with ``fold_windows.py``, then ``fold_assignment.py`` and ``leakage.py``.
"""
