"""What may be tried: space files, their checks and overrides, and the tree of swept parameters.
Samplers, sweep, run and dispatch may import it; it imports no torch, Ray, Optuna or SciPy.
Begin with ``load.py`` (a YAML file to a checked ``Space``) and ``space.py``.
"""
