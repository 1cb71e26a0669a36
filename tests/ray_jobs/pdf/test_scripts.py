"""Text layers in scripts that OCR does not know are believed: their marks are no signs of a wrong mapping."""

import pymupdf
import pytest

from embedded.cid_fonts import pdf_with_cid_font
from ingest.pdf import page_ranges, text_layer
from ingest.pdf.document import parse_pdf
from ingest.pdf.enciphered import has_enciphered
from ingest.pdf.layout import Line, paragraph_of
from ingest.pdf.letter_statistics import is_suspect
from ingest.pdf.ocr import MIN_SCORE, MIN_SURE
from ingest.pdf.ocr_models import RapidModels
from ingest.pdf.scripts import is_read_by_ocr
from ingest.pdf.unknown_letters import lost_letters

UNREAD = {
    "Arabic": "القِطُّ حَيَوَانٌ أَلِيفٌ صَغِيرٌ يَأْكُلُ اللَّحْمَ وَيَعِيشُ مَعَ الإِنْسَانِ فِي بَيْتِهِ",
    "Bengali": "বিড়াল একটি ছোট প্রাণী। মানুষ বহু বছর ধরে ঘরে বিড়াল পোষে। এদের দৃষ্টিশক্তি তীক্ষ্ণ।",
    "Burmese": "ကြောင်သည် သေးငယ်သော အသားစား နို့တိုက်သတ္တဝါ ဖြစ်သည်။ လူတို့သည် အိမ်တွင် မွေးကြသည်။",
    "Ethiopic": "ድመት፡ትንሽ፡እንስሳ፡ናት፡ሰው፡በቤት፡ውስጥ፡ያሳድጋታል፡ሌሊት፡በደንብ፡ታያለች፡እና፡አይጥ፡ትይዛለች",
    "Hebrew": "הֶחָתוּל הוּא חַיָּה קְטַנָּה וְהוּא גָּר בַּבַּיִת עִם בְּנֵי הָאָדָם וְצָד עַכְבָּרִים בַּלַּיְלָה",
    "Hindi": "बिल्ली एक छोटा जीव है। मनुष्य वर्षों से घरों में बिल्लियाँ पालते हैं। वे चूहे और छोटे पक्षियों का शिकार करती हैं।",
    "Khmer": "ឆ្មាជាសត្វតូចមួយប្រភេទដែលស៊ីសាច់ ហើយរស់នៅជាមួយមនុស្សនៅក្នុងផ្ទះ",
    "Korean": "고양이는 작은 육식 동물로 수천 년 동안 사람과 함께 살아왔다. 밤에도 잘 보며 쥐를 잡는다.",
    "Malayalam": "പൂച്ച ഒരു ചെറിയ സസ്തനിയാണ്. എലികളെയും ചെറിയ പക്ഷികളെയും വേട്ടയാടുന്നു. രാത്രിയിലും കാണും.",
    "Russian": "Кошка ловит мышей и мелких птиц, хорошо видит ночью и живёт рядом с человеком тысячи лет.",
    "Sinhala": "පූසා කුඩා සත්ත්වයෙකි. ඔවුන් මීයන් සහ කුඩා පක්ෂීන් දඩයම් කරයි. මිනිසා නිවසේ ඇති කරයි.",
    "Tamil": "பூனை ஒரு சிறிய பாலூட்டி ஆகும். பூனைகள் எலி, சிறு பறவைகள் போன்றவற்றை வேட்டையாடி உண்ணும்.",
    "Telugu": "పిల్లి ఒక చిన్న క్షీరదం. ఇది ఎలుకలు, చిన్న పక్షులను వేటాడుతుంది. మనుషులు ఇళ్లలో పెంచుతున్నారు.",
    "Thai": "แมวเป็นสัตว์เลี้ยงตัวเล็กที่กินเนื้อ มนุษย์เลี้ยงแมวมาหลายพันปีแล้ว มันจับหนูและนกในเวลากลางคืน",
    "Tibetan": "བྱི་ལ་ནི་སེམས་ཅན་ཆུང་ཆུང་ཞིག་ཡིན། མི་རྣམས་ཀྱིས་ཁྱིམ་དུ་གསོ་ཞིང་། དེས་ཙི་ཙི་འཛིན་ནོ།",
}
READ = [
    "The keeper climbs the tower at dusk.",
    "冲泡云岭绿茶",
    "ねこはちいさい",
    "12 %",
]
MARKS = "12-4 \u09cd 5.6 \u09cd (7) \u09cd 8/9 % \u09cd " * 5 + "\u0995"


def content_of(text):
    spans = [{"text": text, "font": "Body", "alpha": 255}]
    return {"blocks": [{"lines": [{"spans": spans}]}]}


@pytest.mark.parametrize("script", UNREAD)
def test_written_language_is_neither_suspect_nor_enciphered_in_any_script(script):
    text = UNREAD[script]
    content = content_of(text * 3)
    assert (is_suspect(text), has_enciphered(content), lost_letters(content)) == (False, False, 0)


@pytest.mark.parametrize("script", UNREAD)
def test_scripts_that_ocr_does_not_know_are_told(script):
    assert not is_read_by_ocr(UNREAD[script])


@pytest.mark.parametrize("text", READ)
def test_scripts_that_ocr_knows_are_told(text):
    assert is_read_by_ocr(text)


def test_the_model_for_ocr_knows_the_scripts_that_are_taken_for_known():
    engine = RapidModels()._engine
    engine._load_rec_model()
    known = set("".join(engine.text_rec.postprocess_op.character))
    for script, text in UNREAD.items():
        letters = list(filter(str.isalpha, text))
        assert 2 * sum(letter in known for letter in letters) < len(letters), script
    assert set(filter(str.isalpha, "".join(READ))) <= known


def layer(text, scanned=False):
    """A page whose text has no letters in its font: only the table of characters says what they are."""
    codes = {character: code for code, character in enumerate(sorted(set(text)), 1)}
    lines = [text[start : start + 60] for start in range(0, len(text), 60)]
    shown = "".join(
        f"BT /F0 12 Tf 60 {760 - 20 * row} Td <{''.join(f'{codes[c]:04x}' for c in line)}> Tj ET\n"
        for row, line in enumerate(lines)
    )
    texts = {code: character for character, code in codes.items()}
    document = pymupdf.open(stream=pdf_with_cid_font(texts, "/DW 500", shown))
    page = document[0]
    if scanned:
        grey = pymupdf.Pixmap(pymupdf.csGRAY, pymupdf.IRect(0, 0, 9, 9), False)
        page.insert_image(page.rect, pixmap=grey, overlay=False)
    return document.tobytes()


@pytest.fixture
def junk(monkeypatch):
    """Stands in for OCR, which makes Latin letters of any script; it tells the scores that lines had to have."""
    scores = []

    def read(page, known=(), least=MIN_SCORE):
        scores.append(least)
        return [paragraph_of([Line(60, 600, 500, 612, "ARA TA A RGT CA", 12, False)])], False

    monkeypatch.setattr(text_layer, "read_line", lambda page, bbox: "R G T R RG RAA")
    monkeypatch.setattr(
        text_layer, "detect_lines", lambda page: [(60, 500 + 20 * n, 500, 512 + 20 * n) for n in range(9)]
    )
    monkeypatch.setattr(page_ranges, "ocr_page", read)
    return scores


@pytest.mark.parametrize(
    "text",
    [UNREAD["Bengali"], "12-4 \u09cd 5.6 \u09cd (7) \u09cd 8/9 % \u09cd " * 5 + "\u0995"],
    ids=["words", "marks"],
)
def test_ocr_overrules_no_layer_in_a_script_that_it_does_not_know(text, junk):
    [page], _, _ = parse_pdf(layer(text))
    assert (page.kind, junk) == ("text", [])


def test_ocr_adds_only_lines_that_it_is_sure_of_to_a_layer_in_a_script_that_it_does_not_know(junk):
    [page], _, _ = parse_pdf(layer(UNREAD["Bengali"], scanned=True))
    assert junk == [MIN_SURE]
    assert "মানুষ" in page.text
