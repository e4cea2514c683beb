"""ByteTokenizer: one token a byte."""

import numpy as np

from firstlight.data.tokenizers.tokenizer import Tokenizer, utf8


class ByteTokenizer(Tokenizer):
    """Take the bytes of a text's UTF-8 for its tokens.

    Any text can be written, with 256 tokens, and nothing is trained; but a character outside
    ASCII takes two to four tokens. Bytes that are no UTF-8, such as a model may produce, are
    decoded as U+FFFD.

    Examples
    --------
    >>> from firstlight.data.tokenizers import ByteTokenizer
    >>> ByteTokenizer().encode("aé")
    array([ 97, 195, 169])
    >>> ByteTokenizer().decode([97, 195, 169])
    'aé'
    """

    name = "byte"
    vocab_size = 256

    def encode(self, text):
        return np.frombuffer(utf8("ByteTokenizer", text), "uint8").astype("int64")

    def decode(self, tokens):
        return self.check_tokens(tokens).astype("uint8").tobytes().decode("utf-8", "replace")
