"""Chinese pages are found by meaning, by questions in Chinese with other words, and in English."""

import json
import uuid
from pathlib import Path

import numpy as np
import pytest

from ingest.milvus.schema import DOCUMENTS, ensure_rows
from ingest.models.text_encoder import TextEncoder
from ingest.models.text_model import find_text_model
from ingest.models.torch_texts import TorchTexts
from ingest.quality.command_line import measure

pytestmark = pytest.mark.nightly

PAGES = (
    ("渡轮每天早上六点半离港，遇到大雾则停航。", "天气不好的时候船还开吗？", "Does the boat sail in bad weather?"),
    (
        "冲泡云岭绿茶用八十度的水，水太烫会发苦。",
        "怎样避免茶的味道变涩？",
        "How do I keep the tea from becoming bitter?",
    ),
    ("患者手术后两周内不得提举超过五公斤的物品。", "开刀以后能搬重东西吗？", "May I lift things after surgery?"),
    ("员工请假须提前三天向主管提交书面申请。", "想休息几天要办什么手续？", "How does a worker ask for days off?"),
    (
        "冰川退缩形成的堰塞湖威胁着下游的村庄。",
        "高山上的积水对居民有什么危险？",
        "Why are villages below the ice in danger?",
    ),
    ("望远镜的主镜每两年重新镀一层铝膜。", "天文仪器的反射面多久保养一次？", "How often is the mirror coated anew?"),
    (
        "租客退房时，押金在扣除损坏费用后七日内退还。",
        "搬走以后钱什么时候还给我？",
        "When do tenants get their money back?",
    ),
    ("蜂群在秋天用甲酸熏蒸来防治寄生螨虫。", "养蜜蜂的人怎样对付害虫？", "How are bees treated against parasites?"),
    (
        "列车紧急制动后，乘务员应当首先确认有无人员受伤。",
        "火车急停之后工作人员先做什么？",
        "What comes first after the train stopped?",
    ),
    (
        "大提琴面板的裂缝用动物胶粘合，并从内侧加木片。",
        "乐器裂开了怎么修？",
        "How is a crack in a string instrument mended?",
    ),
    (
        "种子库保持零下十八度，水稻种子可存活五十年。",
        "粮食的籽粒冷冻后能放多久？",
        "How long does frozen rice stay alive?",
    ),
    (
        "该公司第一季度净利润同比下降百分之十二。",
        "企业年初赚的钱比去年多还是少？",
        "Did the firm earn less than a year before?",
    ),
    (
        "学生宿舍晚上十一点熄灯，周末延长到十二点。",
        "周六夜里几点必须关灯睡觉？",
        "When must students go to sleep on weekends?",
    ),
    (
        "赤潮期间，海水淡化厂的滤膜被藻类堵塞而停产。",
        "为什么工厂不能再供应饮用水？",
        "What stopped the plant that makes drinking water?",
    ),
    (
        "这张十七世纪的地图上画着一座并不存在的岛屿。",
        "古人的航海图有什么错误？",
        "Which old chart shows land that never existed?",
    ),
    ("面团在阴凉处发酵十八个小时，然后放入烤炉。", "做面包之前要等多长时间？", "How long does the dough rest?"),
)
"""A page, and what is asked in Chinese and in English."""

SPECIAL = 35_378, 8_999, 38
"""XLM-RoBERTa's numbers of the pieces of `Hello world!`."""


@pytest.fixture(scope="module")
def encoder(multilingual_path):
    return TextEncoder(multilingual_path, find_text_model(multilingual_path).dimension, threads=2)


@pytest.fixture(scope="module")
def means(encoder, milvus, milvus_client, multilingual_path, tmp_path_factory):
    """What measure_search.py says, by group and search."""
    prefix = f"multilingual_{uuid.uuid4().hex}_"
    ensure_rows(milvus_client, DOCUMENTS, prefix + DOCUMENTS, encoder.dimension, model=multilingual_path)
    vectors = encoder.encode([page for page, _, _ in PAGES])
    rows = [
        {"id": str(n), "source": "s3://b/book.pdf", "version": "v", "ordinal": n, "page": n + 1, "kind": "text",
         "text": page, "embedding": vectors[n], "metadata": {}}
        for n, (page, _, _) in enumerate(PAGES)
    ]  # fmt: skip
    milvus_client.upsert(prefix + DOCUMENTS, rows)
    asked = [
        {"question": question, "source": "book.pdf", "page": n + 1, "language": language}
        for n, (_, chinese, english) in enumerate(PAGES)
        for language, question in (("zh", chinese), ("en", english))
    ]
    folder = tmp_path_factory.mktemp("multilingual")
    path = folder / "questions.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in asked))
    flags = ["--milvus-uri", milvus.uri, "--questions", str(path), "--collection", prefix, "--json"]
    with (folder / "out").open("w+") as out, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", out)
        assert measure(flags, "") == 0
        out.seek(0)
        result = json.load(out)
    milvus_client.drop_collection(prefix + DOCUMENTS)
    return {(row["group"], row["search"]): row for row in result["means"]}


def test_chinese_questions_find_chinese_pages_by_meaning(means):
    """14 of 16 at least; by their words alone, fewer than half are found."""
    assert means["language zh", "dense"]["recall@1"] >= 14 / 16
    assert means["language zh", "words"]["recall@1"] < 0.5


def test_english_questions_find_chinese_pages_by_meaning(means):
    assert means["language en", "dense"]["recall@1"] >= 12 / 16
    assert means["language en", "words"]["recall@5"] == 0


def test_the_tokenizer_is_that_of_the_model(multilingual_path):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(f"{multilingual_path}/tokenizer.json")
    assert tokenizer.encode("  Hello \u200bworld！").ids == [0, *SPECIAL, 2]


def without_prompts(folder, name):
    """The model as its authors publish it: its configuration says nothing about prompts."""
    copy = folder / name
    copy.mkdir()
    for file in Path(folder / "whole").resolve().iterdir():
        if file.name != "config_sentence_transformers.json":
            (copy / file.name).symlink_to(file)
    return str(copy)


@pytest.fixture
def as_published(multilingual_path, tmp_path):
    (tmp_path / "whole").symlink_to(multilingual_path)
    return lambda name: without_prompts(tmp_path, name)


def test_questions_and_passages_get_the_prompts_of_e5_also_where_its_configuration_lacks_them(encoder, as_published):
    """A model of an unknown name gets none: it is given its passage with and without the prompt."""
    text = PAGES[0][0]
    passage, question = encoder.encode([text])[0], encoder.encode_query(text)
    published = TorchTexts(as_published("multilingual-e5-small"), 2, "cpu")
    unknown = TorchTexts(as_published("a-model"), 2, "cpu")
    assert np.abs(published.embed([text], "document")[0] - passage).max() < 1e-3
    assert np.abs(published.embed([text], "query")[0] - question).max() < 1e-3
    assert (published.prompt("document"), published.prompt("query")) == ("passage: ", "query: ")
    without, by_hand = unknown.embed([text, "passage: " + text], "document")
    assert np.abs(by_hand - passage).max() < 1e-3 < np.abs(without - passage).max()
