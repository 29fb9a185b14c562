"""Networks, audio features and augmentations, and the tables from which they are built by name.
Imported by ``tune`` and ``scripts``; imports only ``genretune.data.name_suggestions``.
Begin with ``build`` (the tables), then ``arguments`` (how arguments are checked).
"""
