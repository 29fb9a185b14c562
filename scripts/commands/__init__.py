"""The commands of ``genretune``: a module for each, or for two that share their code.
Only ``scripts/cli.py`` imports them, by name; they import torch and Ray inside functions.
Begin with ``schema.py`` (the smallest), then ``search.py`` (``search`` and ``resume``).
"""
