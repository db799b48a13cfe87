import pytest

from gatewise import LanguageModel
from gatewise.comparison.text_baselines import NGram
from gatewise.comparison.text_task import told_symbols
from gatewise.data.alphabet import Alphabet
from gatewise.data.corpus import Documents

LINES = ["abba", "b", "cab"]
SPELT = [*"abba", None, "b", None, *"cab", None]


@pytest.fixture(scope="module")
def model():
    return LanguageModel(hidden_size=4, embedding_size=3, steps=3, random_state=0, progress=False)


def test_each_symbol_stands_beside_what_it_cost(model):
    fitted = model.fit(LINES)
    each = fitted.nats_each(LINES)
    rows = told_symbols(Documents("lines", LINES, have_ends=True), "character", each)
    assert rows["symbol"].to_list() == SPELT
    assert rows["position"].to_list() == [1, 2, 3, 4, 5, 1, 2, 1, 2, 3, 4]
    assert each.sum() / len(SPELT) == pytest.approx(fitted.nats(LINES), rel=1e-12)
    alone = fitted.nats_each(["cab"])  # a document is read from its begin
    assert rows["nats"][-4:].to_list() == pytest.approx(alone.tolist(), rel=1e-5)


def test_end_of_one_text_is_not_told(model):
    text = "abcabc" * 20
    fitted = model.fit(text)
    each = fitted.nats_each(text)
    assert len(each) == len(text)
    assert each.mean() == pytest.approx(fitted.nats(text), rel=1e-12)
    assert (each > 0).all()


def test_counted_symbols_cost_what_the_network_is_held_to():
    documents = Documents("lines", LINES, have_ends=True)
    each = NGram(2, Alphabet.of(LINES, "character")).fit(documents).nats_each(documents)
    rows = told_symbols(documents, "character", each)
    assert len(rows) == len(SPELT)
    begins = rows.filter(position=1)["nats"]
    assert begins.n_unique() == 1  # a, b and c begin one document each


def test_bytes_beyond_ascii_are_spelt_out():
    each = NGram(1, Alphabet.of([], "byte")).fit(Documents("text", ["aé"], have_ends=False))
    documents = Documents("text", ["aé"], have_ends=False)
    rows = told_symbols(documents, "byte", each.nats_each(documents))
    assert rows["symbol"].to_list() == ["a", "\\c3", "\\a9"]
