"""Makes speech whose words are known: synthetic voices of espeak-ng, the same samples on every run.

The synthesis runs in a process of its own: espeak-ng keeps a state between texts, so that only the first of a process
is always the same.
"""

import ctypes
import io
import json
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

# Of espeak-ng's own voices, in Hz; a sample is 16 bits, mono.
SAMPLE_RATE = 22050
# Of the voices and rates tried, Whisper tiny.en understands this one best: 6 % of the words wrong (Andy: 27 %).
VOICE, WORDS_PER_MINUTE = "en-us+klatt2", 160

# From espeak-ng's speak_lib.h.
_SYNCHRONOUS, _CHARACTERS, _UTF8, _RATE = 2, 1, 1, 1
_BUFFER_MILLISECONDS = 200
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def say(text: str, voice: str = VOICE) -> bytes:
    """The samples of a spoken text: 16 bits, mono, `SAMPLE_RATE`.

    voice: of espeak-ng, with or without a variant, as `fr` or `en-us+klatt2`.
    """
    # -P: modules beside this one must not stand in for the standard library's.
    command = [sys.executable, "-P", str(Path(__file__)), json.dumps([text, voice])]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def silence(seconds: float) -> bytes:
    """Samples without a sound."""
    return bytes(2 * int(seconds * SAMPLE_RATE))


def wav(samples: bytes) -> bytes:
    """A WAV file of samples."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples)
    return stream.getvalue()


def _synthesize(text: str, voice: str) -> bytes:
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    folder = espeakng_loader.get_data_path().encode()
    rate = library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MILLISECONDS, folder, 0)
    if rate != SAMPLE_RATE:
        raise RuntimeError(f"espeak-ng did not start: {rate}")
    samples = bytearray()

    def collect(wav: Any, count: int, events: Any) -> int:
        if wav and count > 0:
            samples.extend(ctypes.string_at(wav, 2 * count))
        return 0

    callback = _CALLBACK(collect)  # kept until the end: the library calls it
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()):
        raise ValueError(f"espeak-ng has no voice {voice}")
    library.espeak_SetParameter(_RATE, WORDS_PER_MINUTE, 0)
    data = text.encode() + b"\0"
    if library.espeak_Synth(data, ctypes.c_size_t(len(data)), 0, _CHARACTERS, 0, _UTF8, None, None):
        raise RuntimeError("espeak-ng did not speak")
    return bytes(samples)


if __name__ == "__main__":
    sys.stdout.buffer.write(_synthesize(*json.loads(sys.argv[1])))
