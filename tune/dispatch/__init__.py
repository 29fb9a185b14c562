"""The Ray driver of a sweep and its workers: dispatch, messages, hang detection, cluster checks.
Only ``scripts`` may import it; it may import every other package of tune, and only it imports Ray.
Begin with ``driver.py`` and ``sweep_controller.py``; ``worker.py`` is the workers' side.
"""
