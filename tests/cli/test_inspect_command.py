import numpy as np
import pytest
from command import Gatewise

import gatewise as package


@pytest.fixture(scope="module")
def text_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inspect")
    text = "to be or not to be, that is the question. " * 20
    (folder / "play.txt").write_text(text)
    model = package.LanguageModel(hidden_size=8, steps=3, progress=False, random_state=0)
    model.fit(folder / "play.txt").save(folder / "play.safetensors")
    return folder


def test_inspect_prints_what_strikes_and_writes_the_page(gatewise: Gatewise, text_model) -> None:
    model, data = text_model / "play.safetensors", text_model / "play.txt"
    done = gatewise("inspect", str(model), str(data), "--steps", "50", "--out", "inside.html")
    assert done.code == 0
    found = package.inspect(package.load(model), data, steps=50)
    said = [line.removeprefix("- ") for line in done.out.splitlines()[1:]]
    assert said == found.findings()
    assert len(found.views[0].axis.inputs) == 50
    assert done.err.splitlines()[-1] == "the page: inside.html"


def test_two_models_stand_side_by_side(text_model) -> None:
    model = package.load(text_model / "play.safetensors")
    found = package.inspect(model, text_model / "play.txt", beside=model, steps=20)
    one, other = (found.plot(view=view) for view in (0, 1))
    assert np.array_equal(one.data[1].z, other.data[1].z)
    assert found.to_html().count('class="findings"') == 2


def test_what_is_not_there_is_one_message(gatewise: Gatewise, text_model) -> None:
    model, data = text_model / "play.safetensors", text_model / "play.txt"
    for arguments, words in (
        (["--series", "a"], "series (--series) is not for a language model"),
        (["--at", "10000"], "--at"),
        (["--out", "no/page.html"], "no such folder"),
    ):
        done = gatewise("inspect", str(model), str(data), *arguments)
        assert (done.code, done.out) == (2, "")
        assert words in done.err
        assert "Traceback" not in done.err
