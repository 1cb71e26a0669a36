"""A file of another kind is named, so that its owner sees the mistake."""

import pytest

from ingest.common.file_kinds import kind_of


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"{\\rtf1\\ansi hello}", "a text in RTF"),
        (b'{"error": "not found"}', "a text in JSON, perhaps an error message"),
        (b"[{}]", "a text in JSON, perhaps an error message"),
        (b"[InternetShortcut]\r\nURL=https://example.com\r\n", "a file of settings or a shortcut"),
        (b"{ not json }", "a text ('{ not json }')"),
        (b"404: Not Found", "a text ('404: Not Found')"),
        ("Zugriff verweigert für Gäste".encode(), "a text ('Zugriff verweigert für Gäste')"),
        (b"\xff\xfe\x00\x01\x02", None),
        (b"", None),
    ],
)
def test_the_kind_of_a_file_is_named(data, kind):
    assert kind_of(data) == kind
