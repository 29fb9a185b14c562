"""One trial's training: checked configuration, components, epochs, metrics, in-memory snapshots.
Imported by ``trial``, ``run``, ``dispatch`` and ``scripts``; imports ``reproducibility``.
Begin with ``train`` (the trial as one function), then ``epoch``, ``components`` and ``config``.
"""
