"""The decisions of a sweep: which trial runs next, ASHA's verdicts, and what a sampler may learn.
``tune.run``, ``tune.dispatch`` and ``scripts`` may import it; it imports no torch and no Ray.
Begin with ``state_machine`` (the interface of a driver), then ``events`` and ``asha``.
"""
