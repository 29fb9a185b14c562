"""What to try next: a sampler for each ``sampler.type`` of a space file, and its use for a sweep.
Only ``tune.sweep`` and ``scripts`` may import it; it imports ``tune.space`` and the seeds.
Begin with ``sampler.py`` (protocol and table), then ``suggest.py``; Optuna is in ``tpe.py`` only.
"""
