"""``genretune schema``: the JSON Schema of space files."""

from genretune.scripts.terminal import print_json


def schema() -> int:
    """Print the JSON Schema of search spaces, as search_spaces/schema.json holds it.

    Example: genretune schema > schema.json
    """
    from genretune.tune.space.schema import json_schema

    print_json(json_schema())
    return 0
