"""Soak test of trials on a GPU, part by part, each in new processes; nothing else imports it but
``scripts/soak gpu``, ``scripts/bench gpu``, which shares its processes and record, and tests.
Begin with ``__main__.py``, then ``parts.py``; what runs in a process is in ``trial_tasks.py``.
"""
