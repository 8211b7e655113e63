import pytest
from tokenizers import Tokenizer

from bench.encode_texts import LENGTHS, TextMaker
from embedding_service.encoders.mini import PACKAGED


@pytest.mark.parametrize("tokens", LENGTHS)
def test_texts_are_different_and_as_long_as_asked_for(tokens: int) -> None:
    tokenizer = Tokenizer.from_str((PACKAGED / "tokenizer.json").read_text("utf-8"))
    tokenizer.no_truncation()
    texts = TextMaker()
    made = [texts.text(tokens) for _ in range(100)]
    assert len(set(made)) == 100
    for text in made:
        assert len(tokenizer.encode(text, add_special_tokens=False).ids) == tokens - 2
        assert len(text) <= 512
