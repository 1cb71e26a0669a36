"""Captions of a model with a chat template, and what is said of a model that cannot be asked for one."""

import io
import json
import shutil

import pytest

from embedded.chat_stand_in import build_chat_stand_in
from embedded.images import photo
from ingest.common.errors import ConfigurationError
from ingest.models.captioner import MAX_TOKENS, PROMPT, Captioner, find_captioner


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("chat-stand-in")
    build_chat_stand_in(made)
    return made


@pytest.fixture
def copy(folder, tmp_path):
    """The model's folder, to be changed."""
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.fixture(scope="module")
def captioner(folder):
    return Captioner(find_captioner(str(folder)).name, batch_size=4, device="cpu")


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


def test_a_caption_is_what_follows_a_prompt_that_begins_once(captioner, folder):
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    image = photo("cat.jpg").convert("RGB")
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}]
    prompt = processor.apply_chat_template(chat, add_generation_prompt=True)
    inputs = processor(text=[prompt], images=[image], add_special_tokens=False, return_tensors="pt")
    with torch.inference_mode():
        tokens = model.generate(**inputs, max_new_tokens=MAX_TOKENS, do_sample=False)[0]
    said = processor.decode(tokens[inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert captioner.caption([encoded(image, image.size)]) == [" ".join(said.split())]


def test_another_chat_template_is_another_model(copy):
    before = find_captioner(str(copy)).identity
    template = copy / "chat_template.jinja"
    template.write_text(template.read_text().replace("assistant", "model"))
    assert find_captioner(str(copy)).identity != before


def test_a_template_is_found_in_the_settings_of_the_processor(copy):
    settings = json.loads((copy / "processor_config.json").read_text())
    settings["chat_template"] = (copy / "chat_template.jinja").read_text()
    (copy / "processor_config.json").write_text(json.dumps(settings))
    (copy / "chat_template.jinja").unlink()
    assert find_captioner(str(copy)).name == str(copy)


def test_a_model_that_must_be_asked_and_has_no_template_is_refused(copy):
    (copy / "chat_template.jinja").unlink()
    with pytest.raises(ConfigurationError, match=r"of the type 'qwen2_vl' and its processor has no chat template"):
        find_captioner(str(copy))


@pytest.mark.parametrize(
    ("lost", "named"), [("processor_config.json", "preprocessor_config.json"), ("config.json", "config.json")]
)
def test_a_folder_without_a_processor_or_a_model_is_refused(copy, lost, named):
    (copy / lost).unlink()
    with pytest.raises(ConfigurationError, match=f"is not a vision-language model .* it has no {named};"):
        find_captioner(str(copy))


def test_settings_that_were_cut_off_are_refused(copy):
    (copy / "config.json").write_text('{"model_type": "qwen2')
    with pytest.raises(ConfigurationError, match=r"its files cannot be read \(Unterminated string"):
        find_captioner(str(copy))
