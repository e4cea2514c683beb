"""GPT2Tokenizer: the tokens of GPT-2, encoded by the package tiktoken."""

from typing import Any

import numpy as np

from firstlight.data.tokenizers.tokenizer import Tokenizer, utf8
from firstlight.support.array import Array
from firstlight.support.extras import require


class GPT2Tokenizer(Tokenizer):
    """Encode as GPT-2 does: 50,257 tokens, byte-pair encoding by the package tiktoken.

    tiktoken is not installed by default (``pip install "firstlight[gpt2]"``). It downloads the
    vocabulary at its first use, to the folder TIKTOKEN_CACHE_DIR if this variable is set.

    Raises
    ------
    MissingPackageError
        tiktoken is not installed.
    OSError
        The vocabulary cannot be downloaded.

    References
    ----------
    Radford et al., "Language Models are Unsupervised Multitask Learners", 2019, section 2.2.
    """

    name: str = "gpt2"

    def __init__(self) -> None:
        instead = 'train a vocabulary with tokenizer "bpe"'
        require("tokenizer gpt2", "tiktoken", extra="gpt2", instead=instead)
        import tiktoken

        try:
            self._encoding = tiktoken.get_encoding("gpt2")
        except OSError as error:  # includes network errors
            raise OSError(
                "tokenizer gpt2: tiktoken cannot download GPT-2's vocabulary; set "
                "TIKTOKEN_CACHE_DIR to a folder that has it from another machine, or train one "
                f'with tokenizer "bpe"\n{error}'
            ) from error
        self.vocab_size: int = self._encoding.n_vocab

    def encode(self, text: str) -> Array:
        utf8("GPT2Tokenizer", text)
        return np.array(self._encoding.encode_ordinary(text), "int64")

    def decode(self, tokens: Any) -> str:
        return self._encoding.decode(self.check_tokens(tokens).tolist())
