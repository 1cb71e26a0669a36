"""A model with a chat template captions pictures; a model that cannot be prompted is refused."""

import io
import json
import shutil

import pytest

from embedded.chat_stand_in import build_chat_stand_in
from embedded.images import photo
from ingest.common.errors import ConfigurationError
from ingest.models.caption_model import PROMPT, find_caption_model
from ingest.models.captioner import MAX_CAPTION_TOKENS, Captioner

pytestmark = pytest.mark.nightly  # the models of transformers take long to import


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("chat-stand-in")
    build_chat_stand_in(made)
    return made


@pytest.fixture
def copy(folder, tmp_path):
    """A copy of the model's folder that a test may change."""
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.fixture(scope="module")
def captioner(folder):
    return Captioner(find_caption_model(str(folder)).name, batch_size=4, device="cpu")


def encoded(image, size, mode="RGB"):
    file = io.BytesIO()
    image.resize(size).convert(mode).save(file, "PNG")
    return file.getvalue()


def test_a_picture_has_the_same_caption_alone_and_among_others(captioner):
    cat, palace = photo("cat.jpg"), photo("palace.jpg")
    pictures = [
        encoded(cat, (300, 200)),
        encoded(palace, (1, 1)),
        encoded(cat, (800, 20)),
        encoded(palace, (90, 200), "L"),
        encoded(cat, (200, 120), "RGBA"),
    ]
    together = captioner.caption(pictures)
    assert together == [captioner.caption([picture])[0] for picture in pictures]
    assert len(set(together)) == len(pictures)


def test_a_caption_follows_the_prompt_and_the_prompt_begins_once(captioner, folder):
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    image = photo("cat.jpg").convert("RGB")
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}]
    prompt = processor.apply_chat_template(chat, add_generation_prompt=True)
    inputs = processor(text=[prompt], images=[image], add_special_tokens=False, return_tensors="pt")
    with torch.inference_mode():
        tokens = model.generate(**inputs, max_new_tokens=MAX_CAPTION_TOKENS, do_sample=False)[0]
    said = processor.decode(tokens[inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert captioner.caption([encoded(image, image.size)]) == [" ".join(said.split())]


def test_another_chat_template_is_another_model(copy):
    before = find_caption_model(str(copy)).identity
    template = copy / "chat_template.jinja"
    template.write_text(template.read_text().replace("assistant", "model"))
    assert find_caption_model(str(copy)).identity != before


def test_a_chat_template_is_found_in_the_settings_of_the_processor(copy):
    settings = json.loads((copy / "processor_config.json").read_text())
    settings["chat_template"] = (copy / "chat_template.jinja").read_text()
    (copy / "processor_config.json").write_text(json.dumps(settings))
    (copy / "chat_template.jinja").unlink()
    assert find_caption_model(str(copy)).name == str(copy)


def test_a_model_that_needs_a_prompt_and_has_no_chat_template_is_refused(copy):
    (copy / "chat_template.jinja").unlink()
    with pytest.raises(ConfigurationError, match=r"of the type 'qwen2_vl' and its processor has no chat template"):
        find_caption_model(str(copy))


@pytest.mark.parametrize(
    ("lost", "named"), [("processor_config.json", "preprocessor_config.json"), ("config.json", "config.json")]
)
def test_a_folder_without_a_processor_or_a_model_is_refused(copy, lost, named):
    (copy / lost).unlink()
    with pytest.raises(ConfigurationError, match=f"is not a usable vision-language model: it has no {named};"):
        find_caption_model(str(copy))


def test_truncated_settings_are_refused(copy):
    (copy / "config.json").write_text('{"model_type": "qwen2')
    with pytest.raises(ConfigurationError, match=r"its files cannot be read \(Unterminated string"):
        find_caption_model(str(copy))
