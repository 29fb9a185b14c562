"""Bytes on disk and in S3: atomic writes, the driver's lock, untrusted input, the object store.
``tune.trial``, ``run``, ``dispatch`` and ``scripts`` may import it; it imports no torch and no Ray.
Begin with ``run_dir.py`` (files, lock and fences), then ``atomic_io.py`` and ``s3_run.py``.
"""
