"""XML as agencies write it: elements in a given order, indented."""

from collections.abc import Sequence
from typing import TypeAlias, Union

Content: TypeAlias = Union[str, "Fields"]
Fields: TypeAlias = Sequence[tuple[str, Content]]
"""Tags, with attributes where they have any (`band name="13"`), and their texts or the elements in them."""


def xml_lines(fields: Fields, *, indent: str, depth: int = 0) -> list[str]:
    """The lines of some elements."""
    lines = []
    for tag, content in fields:
        start, end = f"{indent * depth}<{tag}>", f"</{tag.split()[0]}>"
        if isinstance(content, str):
            lines.append(start + content + end)
        else:
            lines += [start, *xml_lines(content, indent=indent, depth=depth + 1), indent * depth + end]
    return lines
