"""Reading an XML file that nobody vouches for (T11, limits L30)."""

import io
import re
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from cog_builder.errors import BadMetadataError

MAX_BYTES = 16 * 1024**2
MAX_DEPTH = 64
MAX_ELEMENTS = 200_000
MAX_ATTRIBUTE_CHARACTERS = 64 * 1024

_CHINESE_ENCODING = re.compile(rb"""\s*<\?xml[^>]{0,80}encoding=["'](gb2312|gbk|gb18030)["'][^>]{0,80}\?>""", re.I)


def read_xml(path: Path) -> Element:
    """The root element.

    Raises:
        BadMetadataError: The file is not well-formed, declares a document type, or breaks a limit.
    """
    if (size := path.stat().st_size) > MAX_BYTES:
        raise BadMetadataError(f"{path.name}: {size} bytes, expected at most {MAX_BYTES}")
    raw = path.read_bytes()
    if declaration := _CHINESE_ENCODING.match(raw):  # expat knows no multi-byte encoding
        raw = raw[declaration.end() :].decode("gb18030", "replace").encode()
    try:
        return _parse(raw, path.name)
    except DefusedXmlException as error:
        raise BadMetadataError(f"{path.name}: holds a document type or entities, expected plain elements") from error
    except (ParseError, ValueError) as error:
        raise BadMetadataError(f"{path.name}: not well-formed XML ({error}); it may be cut short") from error


def _parse(raw: bytes, name: str) -> Element:
    depth = elements = 0
    root: Element | None = None
    for event, element in iterparse(io.BytesIO(raw), events=("start", "end"), forbid_dtd=True):
        if event == "end":
            depth -= 1
            continue
        root = element if root is None else root
        depth += 1
        elements += 1
        if depth > MAX_DEPTH or elements > MAX_ELEMENTS:
            raise BadMetadataError(
                f"{name}: {elements} elements, {depth} deep, expected at most {MAX_ELEMENTS} and {MAX_DEPTH}"
            )
        if any(len(value) > MAX_ATTRIBUTE_CHARACTERS for value in element.attrib.values()):
            raise BadMetadataError(f"{name}: an attribute of <{element.tag}> exceeds {MAX_ATTRIBUTE_CHARACTERS}")
    if root is None:
        raise BadMetadataError(f"{name}: holds no element")
    return root
