"""Values of form fields and typed texts stand beside their labels, and not at the end of the page."""

import pymupdf

from ingest.pdf.document import parse_pdf


def filled(labels, fields):
    """The paragraphs of a form with (x, y, text) labels, and fields of (x0, y0, x1, y1, value)."""
    with pymupdf.open() as document:
        page = document.new_page()
        for x, y, text in labels:
            page.insert_text((x, y), text, fontsize=11)
        for number, (*box, value) in enumerate(fields):
            field = pymupdf.Widget()
            field.field_name, field.rect, field.field_value = f"field {number}", pymupdf.Rect(box), value
            field.field_type = (
                pymupdf.PDF_WIDGET_TYPE_CHECKBOX if isinstance(value, bool) else pymupdf.PDF_WIDGET_TYPE_TEXT
            )
            field.field_flags = pymupdf.PDF_TX_FIELD_IS_MULTILINE if box[3] - box[1] > 20 else 0
            field.text_fontsize = 11
            page.add_widget(field)
        [page], _, _ = parse_pdf(document.tobytes(), ocr=False)
        return [block.text for block in page.blocks]


def test_a_value_follows_the_label_to_its_left():
    labels = [(50, 100, "Keeper:"), (50, 140, "Harbour:"), (50, 180, "Signed at the office.")]
    fields = [(150, 128, 300, 144, "Port Ellen"), (150, 88, 300, 104, "Ada Lovelace")]
    assert filled(labels, fields) == ["Keeper: Ada Lovelace", "Harbour: Port Ellen", "Signed at the office."]


def test_values_in_a_row_below_their_labels_follow_them():
    labels = [(50, 100, "First name"), (300, 100, "Last name"), (50, 160, "Signed at the office.")]
    fields = [(50, 106, 200, 122, "Ada"), (300, 106, 450, 122, "Lovelace")]
    assert " ".join(filled(labels, fields)) == "First name Ada Last name Lovelace Signed at the office."


def test_a_check_mark_stands_before_its_label():
    labels = [(70, 100, "The lamp is lit."), (70, 140, "The door is shut.")]
    found = filled(labels, [(50, 90, 62, 102, True), (50, 130, 62, 142, False)])
    assert found == ["✓ The lamp is lit.", "The door is shut."]


def test_a_long_value_is_a_paragraph_of_its_own_below_its_label():
    labels = [(50, 100, "Remarks"), (50, 260, "Signed at the office.")]
    value = "The lamp was lit at nine.\nThe fog came at ten.\nThe horn was sounded twice."
    assert filled(labels, [(50, 106, 400, 200, value)]) == [labels[0][2], value.replace("\n", " "), labels[1][2]]


def test_text_typed_onto_the_page_stands_at_its_place():
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((50, 100), "Keeper:", fontsize=11)
        page.insert_text((50, 200), "Signed at the office.", fontsize=11)
        page.add_freetext_annot((110, 88, 300, 106), "Ada Lovelace", fontsize=11)
        page.add_freetext_annot((50, 140, 300, 160), "By order", fontsize=11)
        [page], _, _ = parse_pdf(document.tobytes(), ocr=False)
    assert [block.text for block in page.blocks] == ["Keeper: Ada Lovelace", "By order", "Signed at the office."]


def test_a_choice_without_an_appearance_has_the_words_that_a_viewer_shows():
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((50, 100), "Country:", fontsize=11)
        field = pymupdf.Widget()
        field.field_name, field.rect, field.field_value = "country", pymupdf.Rect(150, 88, 300, 104), "NO"
        field.field_type, field.choice_values = pymupdf.PDF_WIDGET_TYPE_COMBOBOX, ["DK", "NO"]
        page.add_widget(field)
        document.xref_set_key(field.xref, "Opt", "[[(DK)(Denmark)][(NO)(Norway)]]")
        document.xref_set_key(field.xref, "AP", "null")
        [read], _, _ = parse_pdf(document.tobytes(), ocr=False)
    assert read.text == "Country: Norway"


def test_characters_in_cells_of_their_own_are_one_value():
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((50, 100), "Code:", fontsize=11)
        page.insert_text((50, 140), "Signed at the office.", fontsize=11)
        field = pymupdf.Widget()
        field.field_name, field.rect, field.field_value = "code", pymupdf.Rect(150, 88, 350, 104), "M5V3K4"
        field.field_type, field.text_maxlen, field.field_flags = pymupdf.PDF_WIDGET_TYPE_TEXT, 10, 1 << 24
        page.add_widget(field)
        [read], _, _ = parse_pdf(document.tobytes(), ocr=False)
    assert [block.text for block in read.blocks] == ["Code: M5V3K4", "Signed at the office."]


def test_words_beside_a_check_box_are_no_label_of_the_field_below_them():
    labels = [(70, 100, "Void"), (170, 100, "Corrected"), (50, 128, "Payer"), (50, 200, "Signed at the office.")]
    found = filled(labels, [(50, 90, 62, 102, True), (150, 90, 162, 102, False), (160, 116, 380, 132, "Harbour Ltd")])
    assert "Payer Harbour Ltd" in " ".join(found)


def test_a_value_that_its_field_has_no_room_for_is_whole():
    value = "The keeper found the lamp cold and the door open on the morning of the second of March"
    labels = [(50, 100, "Remarks:"), (50, 140, "Signed at the office.")]
    assert filled(labels, [(150, 88, 300, 104, value)]) == [f"Remarks: {value}", labels[1][2]]
