"""ByteTokenizer: one token a byte."""

from typing import Any

import numpy as np

from firstlight.data.tokenizers.tokenizer import Tokenizer, utf8
from firstlight.support.array import Array


class ByteTokenizer(Tokenizer):
    """Use the UTF-8 bytes of a text as its tokens.

    Any text can be encoded with 256 tokens, without training, but a character outside ASCII takes
    two to four tokens. Bytes that are not UTF-8, which a model may produce, are decoded as U+FFFD.

    Examples
    --------
    >>> from firstlight.data.tokenizers import ByteTokenizer
    >>> ByteTokenizer().encode("aé")
    array([ 97, 195, 169])
    >>> ByteTokenizer().decode([97, 195, 169])
    'aé'
    """

    name: str = "byte"
    vocab_size: int = 256

    def encode(self, text: str) -> Array:
        return np.frombuffer(utf8("ByteTokenizer", text), "uint8").astype("int64")

    def decode(self, tokens: Any) -> str:
        return self.check_tokens(tokens).astype("uint8").tobytes().decode("utf-8", "replace")
