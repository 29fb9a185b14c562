"""What makes a trial repeatable: named seeds, determinism levels, machine class and code digest.
Imported by every package of ``tune`` except ``space``; imports none of them.
Begin with ``seeds`` (all randomness), then ``determinism`` and ``environment``.
"""
