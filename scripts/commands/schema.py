"""``genretune schema``: the JSON Schema of search space files."""

from genretune.scripts.terminal import print_json


def schema() -> int:
    """Print the JSON Schema of search spaces, identical to search_spaces/schema.json.

    Example: genretune schema > schema.json
    """
    from genretune.tune.space.schema import json_schema

    print_json(json_schema())
    return 0
