import pytest

from cog_builder.deliveries.xml_document import read_xml
from cog_builder.errors import BadMetadataError

BILLION_LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>
<ProductMetaData><SatelliteID>&c;</SatelliteID></ProductMetaData>"""
OUTSIDE_ENTITY = """<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/hostname">]><x>&file;</x>"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "GF1_x.xml"


def test_a_plain_document_is_read(path):
    path.write_text('<?xml version="1.0" encoding="UTF-8" ?>\n<A>\n  <B>名称</B>\n  <C />\n</A>\n')
    root = read_xml(path)
    assert root.tag == "A"
    assert root.findtext("B") == "名称"


@pytest.mark.parametrize("encoding", ["GB2312", "gbk", "GB18030"])
def test_chinese_encodings_are_read(path, encoding):
    path.write_bytes(f'<?xml version="1.0" encoding="{encoding}"?><A><B>资源卫星</B></A>'.encode(encoding))
    assert read_xml(path).findtext("B") == "资源卫星"


def test_chinese_that_is_declared_utf_8_is_read(path):
    path.write_bytes('<?xml version="1.0" encoding="UTF-8"?><A><B>资源卫星</B></A>'.encode("gb18030"))
    assert read_xml(path).findtext("B") == "资源卫星"


@pytest.mark.parametrize("text", [BILLION_LAUGHS, OUTSIDE_ENTITY, "<!DOCTYPE x><x/>"])
def test_document_types_and_entities_are_refused(path, text):
    path.write_text(text)
    with pytest.raises(BadMetadataError, match=r"GF1_x\.xml: holds a document type or entities"):
        read_xml(path)


def test_a_document_half_a_million_deep_is_refused(path):
    path.write_text("<a>" * 500_000)
    with pytest.raises(BadMetadataError, match="65 deep"):
        read_xml(path)


def test_a_document_of_too_many_elements_is_refused(path):
    path.write_text("<a>" + "<b/>" * 200_001 + "</a>")
    with pytest.raises(BadMetadataError, match="200001 elements"):
        read_xml(path)


def test_a_huge_attribute_is_refused(path):
    path.write_text(f'<a b="{"x" * 70_000}"/>')
    with pytest.raises(BadMetadataError, match="an attribute of <a>"):
        read_xml(path)


def test_a_huge_file_is_refused_unread(path):
    with path.open("wb") as file:
        file.truncate(17 * 1024**2)
    with pytest.raises(BadMetadataError, match=f"{17 * 1024**2} bytes, expected at most {16 * 1024**2}"):
        read_xml(path)


@pytest.mark.parametrize("raw", [b"", b"<a><b></a>", b"<a>", b"\xff\xfe\x00", b"<a>\x00</a>", b"no xml"])
def test_what_is_not_well_formed_is_refused(path, raw):
    path.write_bytes(raw)
    with pytest.raises(BadMetadataError, match=r"GF1_x\.xml: not well-formed"):
        read_xml(path)
