"""Reading an XML file that nobody vouches for (T11, limits L30)."""

import re
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from cog_builder.errors import BadMetadataError

MAX_BYTES = 16 * 1024**2
MAX_DEPTH = 64
MAX_ELEMENTS = 200_000
MAX_ATTRIBUTE_CHARACTERS = 64 * 1024

_ENCODING = re.compile(
    rb"""\s*<\?xml[^>]{0,80}encoding=["']((?P<chinese>gb2312|gbk|gb18030|cp936|euc-cn)|utf-8)["'][^>]{0,80}\?>""", re.I
)


def read_xml(path: Path) -> Element:
    """The root element.

    Raises:
        BadMetadataError: The file is not well-formed, declares a document type, or breaks a limit.
    """
    if (size := path.stat().st_size) > MAX_BYTES:
        raise BadMetadataError(f"{path.name}: {size} bytes, expected at most {MAX_BYTES}")
    raw = path.read_bytes()
    declaration = _ENCODING.match(raw)
    if declaration and (declaration["chinese"] or not _is_utf8(raw)):  # expat knows no multi-byte encoding
        raw = raw[declaration.end() :].decode("gb18030", "replace").encode()
    try:
        return _parse(raw, path.name)
    except DefusedXmlException as error:
        raise BadMetadataError(f"{path.name}: holds a document type or entities, expected plain elements") from error
    except (ParseError, ValueError, LookupError) as error:  # LookupError: an encoding that nobody knows
        reason = str(error)[:200]
        raise BadMetadataError(f"{path.name}: not well-formed XML ({reason}); it may be cut short") from error


def _is_utf8(raw: bytes) -> bool:
    """Whether it is what it declares; Chinese text is not, where a program wrote it in the machine's own encoding."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parse(raw: bytes, name: str) -> Element:
    parser = DefusedXMLParser(target=_BoundedBuilder(name), forbid_dtd=True)
    parser.feed(raw)  # at once: expat begins a token anew with every piece of it, which takes long for a long one
    root: Element = parser.close()
    return root


class _BoundedBuilder(TreeBuilder):
    """Builds the elements and stops at the first beyond the limits."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._depth = self._elements = 0

    def start(self, tag: str, attributes: dict[str, str], /) -> Element:
        """An element begins."""
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise BadMetadataError(
                f"{self._name}: {self._elements} elements, {self._depth} deep, "
                f"expected at most {MAX_ELEMENTS} and {MAX_DEPTH}"
            )
        if any(len(value) > MAX_ATTRIBUTE_CHARACTERS for value in attributes.values()):
            raise BadMetadataError(f"{self._name}: an attribute of <{tag[:40]}> exceeds {MAX_ATTRIBUTE_CHARACTERS}")
        return super().start(tag, attributes)

    def end(self, tag: str, /) -> Element:
        """An element ends."""
        self._depth -= 1
        return super().end(tag)
