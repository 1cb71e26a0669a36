"""The work on a photo: its pixels, and their vector."""

import io

import numpy as np
import open_clip
import torch
from job import Job
from PIL import Image

DIMENSION = 384
FILES_PER_CALL = 32
READER_HAS_MODEL = False


class Reader:
    """The pixels of a photo: one array of shape (height, width, 3)."""

    def __init__(self, job: Job) -> None:
        pass

    def __call__(self, data: bytes) -> list[np.ndarray]:
        return [np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))]


class Model:
    """The vectors of photos."""

    def __init__(self, job: Job) -> None:
        self._model, _, self._preprocess = open_clip.create_model_and_transforms(f"local-dir:{job.clip_model}")
        self._model.eval()

    def __call__(self, pictures: list[np.ndarray]) -> np.ndarray:
        batch = torch.stack([self._preprocess(Image.fromarray(picture)) for picture in pictures])
        with torch.inference_mode():
            return self._model.encode_image(batch, normalize=True).numpy()
