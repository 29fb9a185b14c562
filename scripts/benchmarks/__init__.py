"""Benchmarks of data, training, search and dispatch, each against a plain counterpart.
Only ``scripts/bench`` and tests import them; unlike the product they may use Ray and Optuna freely.
Begin with ``main`` in ``data.py``, ``train.py``, ``search.py``, ``dispatch.py`` or ``gpu.py``.
"""
