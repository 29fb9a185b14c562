"""One trial on disk or in S3: records, checkpoints, replay, prediction, training without a sweep.
``tune.run``, ``dispatch`` and ``scripts`` may import it; it imports ``tune.training``, ``storage``.
Begin with ``run_trial.py`` (one segment), then ``trial_dir.py`` and ``workspace.py``.
"""
