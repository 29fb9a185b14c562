"""The search: spaces, samplers, the sweep, its trials and their training, and Ray, by package.
Imported by ``scripts``. dispatch -> run -> trial -> training; run -> sweep -> samplers -> space.
Begin with tune/sweep/state_machine.py and docs/architecture.md.
"""
