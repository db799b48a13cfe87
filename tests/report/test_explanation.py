"""The page of `gatewise explain` in a real browser, beside the layers of this package."""

import csv
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch
from browser import SIZES, opened, screenshot

import gatewise
from gatewise.report.explanation import write_explanation

FORMS = {
    "lstm-tanh": ("lstm", "output", "tanh", {"output_activation": "tanh"}),
    "lstm-identity": ("lstm", "output", "identity", {"output_activation": "identity"}),
    "gru-notes": ("gru", "candidate-form", "before", {"reset_after": False}),
    "gru-torch": ("gru", "candidate-form", "after", {"reset_after": True}),
}
KINDS = {
    "lstm": ["update", "forget", "candidate", "output"],  # torch's order: i f g o
    "gru": ["relevance", "update", "candidate"],  # r z n
}
Open = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_explanation(tmp_path_factory.mktemp("explain") / "page.html")


@pytest.fixture(scope="module")
def show(browser: Any, path: Path) -> Open:
    return lambda *args, **options: opened(browser, path, *args, **options)


@pytest.fixture
def page(show: Open) -> Iterator[Any]:
    with show() as page:
        yield page


def layer_of(cell: str, weights: dict[str, dict[str, float]], options: dict[str, Any]) -> Any:
    """The package's cell with one unit and the page's weights; torch's z is 1 − Γu, so −W, −b."""
    kinds, state = KINDS[cell], "a" if cell == "lstm" else "c"
    sign = {"update": -1.0} if cell == "gru" else {}
    made = {"lstm": gatewise.LSTMCell, "gru": gatewise.GRUCell}[cell]
    layer = made(1, 1, dtype=torch.float64, **options)

    def column(key: str) -> torch.Tensor:
        numbers = [sign.get(kind, 1.0) * weights[kind].get(key, 0.0) for kind in kinds]
        return torch.tensor(numbers, dtype=torch.float64)

    with torch.no_grad():
        layer.weight_ih.copy_(column("x")[:, None])
        layer.weight_hh.copy_(column(state)[:, None])
        layer.bias_ih.copy_(column("b"))
        layer.bias_hh.copy_(column("inside"))
    return layer


@torch.no_grad()
def states_of(layer: Any, xs: list[float], c: float, a: float) -> list[tuple[float, float]]:
    """c and a after each step."""
    cells = [torch.tensor([[value]], dtype=torch.float64) for value in (a, c)]
    result = []
    for x in xs:
        step = torch.tensor([[x]], dtype=torch.float64)
        if isinstance(layer, gatewise.LSTMCell):
            cells = list(layer(step, tuple(cells)))
        else:
            cells = [layer(step, cells[1])] * 2
        result.append((cells[1].item(), cells[0].item()))
    return result


@torch.no_grad()
def gates_of(layer: Any, xs: list[float], c: float, a: float) -> dict[str, list[float]]:
    """The gates and the candidate at each step, of the trace of the same weights as a layer."""
    cell = "lstm" if isinstance(layer, gatewise.LSTMCell) else "gru"
    whole: Any
    if cell == "lstm":
        options = {"output_activation": layer.output_activation}
        whole = gatewise.LSTM(1, 1, dtype=torch.float64, **options)
    else:
        whole = gatewise.GRU(1, 1, dtype=torch.float64, reset_after=layer.reset_after)
    whole.load_state_dict({f"{name}_l0": value for name, value in layer.state_dict().items()})
    first = [torch.tensor([[value]], dtype=torch.float64) for value in (a, c)]
    inputs = torch.tensor(xs, dtype=torch.float64)[:, None]
    traced = gatewise.trace(whole, inputs, tuple(first) if cell == "lstm" else first[1])
    forward = traced.layers[0].forward
    gates = {name: value.flatten().tolist() for name, value in forward.gates.items()}
    gates["candidate"] = forward.candidate.flatten().tolist()
    gates["left"] = forward.retention.flatten().tolist()
    return gates


# What the page's reader sees


def choose(page: Any, name: str, value: str) -> None:
    page.locator(f'input[name="{name}"][value="{value}"]').check()


def set_value(page: Any, selector: str, value: float) -> None:
    page.locator(selector).fill(str(value))


def fields(page: Any, cell: str) -> dict[str, dict[str, float]]:
    """The weights as they stand in the fields; a held gate has a bias of ±1000."""
    weights = {}
    for kind in KINDS[cell]:
        card = page.locator(f'.gate[data-cell="{cell}"][data-gate="{kind}"]')
        found = card.locator("[data-weight]").evaluate_all(
            "all => all.map((field) => [field.dataset.weight, Number(field.value)])"
        )
        held = card.locator("input[type=radio]:checked")
        choice = held.get_attribute("value") if held.count() else "equation"
        weights[kind] = dict(found) if choice == "equation" else {"b": 2000 * int(choice) - 1000}
    return weights


def column(page: Any, name: str) -> list[float]:
    """A column of the table in full precision, with the start where the table has it."""
    values = page.locator(f'#steps td[data-name="{name}"]').evaluate_all(
        "all => all.map((field) => field.dataset.value)"
    )
    return [float(value) for value in values]


def start(page: Any) -> tuple[list[float], float, float]:
    xs = [float(field.input_value()) for field in page.locator("input.x").all()]
    return xs, *(float(page.locator(f"input.{name}").input_value()) for name in ("c0", "a0"))


def check_against_layer(page: Any, form: str) -> None:
    """Every number of the table is that of the package."""
    cell, _, _, options = FORMS[form]
    weights = fields(page, cell)
    if form == "gru-notes":
        weights["candidate"]["inside"] = 0.0
    layer, (xs, c, a) = layer_of(cell, weights, options), start(page)
    states = states_of(layer, xs, c, a)
    close = {"rel": 0, "abs": 1e-6}
    assert column(page, "c")[1:] == pytest.approx([state[0] for state in states], **close)
    gates = gates_of(layer, xs, c, a)
    if cell == "lstm":
        assert column(page, "a")[1:] == pytest.approx([state[1] for state in states], **close)
        names = {"update": "input", "forget": "forget", "output": "output"}
    else:
        gates["write"] = [1 - z for z in gates["update"]]
        names = {"relevance": "reset", "update": "write"}
    for shown, ours in {**names, "candidate": "candidate"}.items():
        assert column(page, shown) == pytest.approx(gates[ours], **close), shown
    assert column(page, "left")[1:] == pytest.approx(gates["left"], **close)
    assert column(page, "x") == xs


@pytest.mark.parametrize("form", FORMS)
def test_numbers_of_all_steps_are_those_of_the_package(page: Any, form: str) -> None:
    cell, name, value, _ = FORMS[form]
    choose(page, "cell", cell)
    choose(page, name, value)
    check_against_layer(page, form)
    draw = random.Random(form)
    for card in page.locator(f'.gate[data-cell="{cell}"]').all():
        for field in card.locator("[data-weight]:visible").all():
            field.fill(f"{draw.uniform(-3, 3):.1f}")
    for field in page.locator("input.x, input.c0, input.a0:visible").all():
        field.fill(f"{draw.uniform(-4, 4):.2f}")
    check_against_layer(page, form)
    for kind, held in zip(KINDS[cell], "01", strict=False):
        choose(page, f"{cell}-{kind}-held", held)
        assert set(column(page, kind)) == {float(held)}
    check_against_layer(page, form)


@pytest.mark.parametrize("form", FORMS)
def test_javascript_equations_equal_the_package(page: Any, form: str) -> None:
    """cells.js alone, on random and on extreme weights; nothing becomes NaN."""
    cell, _, _, options = FORMS[form]
    state = "a" if cell == "lstm" else "c"
    draw = random.Random(7)
    cases = []
    for i in range(60):
        wide = (1, 4, 400, 1e4)[i % 4]
        keys = ("x", state, "b", *(["inside"] if cell == "gru" else []))
        weights: dict[str, dict[str, float]] = {
            kind: {key: draw.uniform(-wide, wide) for key in keys} for kind in KINDS[cell]
        }
        if cell == "gru":
            for kind in ("relevance", "update"):
                weights[kind]["inside"] = 0.0
        xs = [draw.uniform(-3, 3) for _ in range(3)]
        cases.append([weights, xs, draw.uniform(-2, 2), draw.uniform(-1, 1)])
    camel = re.sub("_(.)", lambda found: found[1].upper(), next(iter(options)))
    made = page.evaluate(
        """([cell, form, cases]) => cases.map(([w, xs, c, a]) =>
          runCell(cell, w, xs, {c, a}, form).map((step) => [step.c, step.a]))""",
        [cell, {camel: next(iter(options.values()))}, cases],
    )
    for (weights, xs, c, a), found in zip(cases, made, strict=True):
        expected = states_of(layer_of(cell, weights, options), xs, c, a)
        flat = [value for step in found for value in step]
        assert flat == pytest.approx([v for s in expected for v in s], rel=0, abs=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("c0", [0.8, -0.1, 7.3])
def test_carry_brings_the_first_memory_unchanged_to_the_end(page: Any, cell: str, c0: float):
    choose(page, "cell", cell)
    set_value(page, "input.c0", c0)
    page.locator('[data-preset="carry"]:visible').click()
    assert set(column(page, "c")) == {c0}
    assert set(column(page, "left")) == {1.0}
    said = page.locator("#finding").inner_text()
    assert f"c⟨8⟩ = {str(c0).replace('-', '−')} = c⟨0⟩" in said
    assert "the very same number, to the last bit" in said
    assert page.locator("#now").inner_text() == "step 8 of 8"
    assert page.locator("#survival").inner_text().endswith("= 1")
    choose(page, f"{cell}-update-held", "1")
    assert "the very same number" not in page.locator("#finding").inner_text()


def test_presets_do_what_they_say(page: Any) -> None:
    first = column(page, "c")
    page.get_by_role("button", name="Forget all").click()
    assert column(page, "c")[1:] == column(page, "candidate")
    assert "Nothing of c⟨0⟩ is left" in page.locator("#finding").inner_text()
    page.get_by_role("button", name="Catch a 1").click()
    memory = column(page, "c")
    assert max(map(abs, memory[:3])) < 0.01
    assert min(memory[3:]) > 0.9
    page.get_by_role("button", name="Count the ones").click()
    assert column(page, "c")[-1] == pytest.approx(4, abs=0.05)
    assert column(page, "a")[-1] == pytest.approx(1, abs=0.05)
    choose(page, "output", "identity")
    assert column(page, "a")[-1] == pytest.approx(4, abs=0.1)
    choose(page, "output", "tanh")
    assert page.locator("#preset-says").inner_text() == ""  # it was about the settings before
    page.get_by_role("button", name="By their equations").click()
    assert column(page, "c") == first
    choose(page, "cell", "gru")
    page.get_by_role("button", name="Catch a 1").click()
    memory = column(page, "c")
    assert max(map(abs, memory[:3])) < 0.01
    assert min(memory[3:]) > 0.9
    assert page.get_by_role("button", name="Count the ones").is_hidden()


def test_page_without_room_draws_all_the_same(page: Any) -> None:
    for width in (40, 1280):  # the browser's complaints are looked at when the page is closed
        page.set_viewport_size({"width": width, "height": 600})
        widths = page.locator("#chain rect").evaluate_all(
            "all => all.map(r => +r.getAttribute('width'))"
        )
        assert len(widths) > 40
        assert min(widths) > 0


def test_steps_are_walked_by_keys_and_buttons(page: Any) -> None:
    def now() -> str:
        return page.locator("#now").inner_text().removesuffix(" of 8")

    for key, step in [("Right", 2), ("Right", 3), ("Left", 2)]:
        page.keyboard.press(f"Arrow{key}")
        assert now() == f"step {step}"
    for key, step in [("End", 8), ("ArrowRight", 8), ("Home", 1), ("ArrowLeft", 1)]:
        page.keyboard.press(key)
        assert now() == f"step {step}"
    for name, step in [("Forward ›", 2), ("Last", 8), ("‹ Back", 7), ("First", 1)]:
        page.get_by_role("button", name=name, exact=True).click()
        assert now() == f"step {step}"
    page.get_by_role("button", name="Show step 5").click()
    assert now() == "step 5"
    assert page.locator('[aria-current="step"]').get_attribute("aria-label") == "Show step 5"
    assert page.locator("#steps tr.taken th").inner_text() == "5"
    page.locator("input.x").first.focus()
    page.keyboard.press("ArrowRight")  # moves the cursor, not the step
    assert now() == "step 5"


def test_play_runs_to_the_end_and_pauses(page: Any) -> None:
    page.evaluate("() => { const set = setInterval; window.setInterval = (f) => set(f, 20); }")
    play = page.locator("#play")
    play.click()
    page.locator("#now", has_text="step 8 of 8").wait_for()
    assert play.inner_text() == "Play"
    page.evaluate("() => { window.setInterval = () => 1; }")
    play.click()
    assert play.inner_text() == "Pause"
    assert page.locator("#now").inner_text() == "step 1 of 8"  # from the start again
    play.click()
    assert play.inner_text() == "Play"


@pytest.mark.parametrize("form", FORMS)
def test_drawing_and_equations_show_the_chosen_step(page: Any, form: str) -> None:
    cell, name, value, _ = FORMS[form]
    choose(page, "cell", cell)
    choose(page, name, value)
    page.get_by_role("button", name="Last", exact=True).click()
    last = {n: column(page, n)[-1] for n in ["c", "candidate", "update"]}
    for key, number in last.items():
        shown = f"{number:.2f}".replace("-", "−")
        assert page.locator(f'#cell [data-shows="{key}"]').text_content() == shown
    wide = page.locator('#cell [data-gate="update"]').first.evaluate("e => e.style.strokeWidth")
    assert float(wide) == pytest.approx(1.5 + 5.5 * last["update"], abs=1e-3)
    level = page.locator('#cell [data-level="update"]').get_attribute("height")
    assert float(level) == pytest.approx(46 * last["update"])
    lines = page.locator("#equations li")
    assert lines.count() == (6 if cell == "lstm" else 5)
    by_kind = {li.get_attribute("class"): li for li in lines.all()}
    for kind, key in [("candidate", "candidate"), ("update", "update"), ("memory", "c")]:
        assert float(by_kind[kind].get_attribute("data-value")) == last[key]
    out = by_kind["activation"].locator(".symbols").inner_text()
    assert out == {"lstm-tanh": "a⟨t⟩ = Γo ∗ tanh c⟨t⟩", "lstm-identity": "a⟨t⟩ = Γo ∗ c⟨t⟩"}.get(
        form, "a⟨t⟩ = c⟨t⟩"
    )
    tanhs = page.locator("#cell .operation", has_text="tanh").count()
    assert tanhs == (form == "lstm-tanh")
    assert page.locator("#cell .operation", has_text="wcc").count() == (form == "gru-torch")


def test_equation_has_the_numbers_filled_in(page: Any) -> None:
    forget = page.locator("#equations .forget")
    symbols, numbers = (forget.locator(f".{n}").inner_text() for n in ("symbols", "numbers"))
    assert symbols == "Γf = σ(wfx x⟨t⟩ + wfa a⟨t−1⟩ + bf)"
    assert numbers == "= σ(0.50·1 + 0.60·0 + 1) = σ(1.50) = 0.82"
    assert forget.locator(".torch").inner_text() == "torch: f"
    page.locator("#lstm-forget-b").fill("-2")
    assert forget.locator(".numbers").inner_text() == "= σ(0.50·1 + 0.60·0 − 2) = σ(−1.50) = 0.18"
    choose(page, "lstm-forget-held", "1")
    assert forget.locator(".numbers").inner_text() == "= held at 1, as a bias of +1000 would = 1"
    assert page.locator("#lstm-forget-b").is_disabled()
    choose(page, "cell", "gru")
    torchs = page.locator("#equations .torch").all_inner_texts()
    assert torchs == ["torch: r", "torch: 1 − z", "torch: n", "torch: h", "torch: h"]


def test_bias_slider_moves_by_keys(page: Any) -> None:
    slider = page.locator("#lstm-update-b")
    before = column(page, "update")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert float(slider.input_value()) == pytest.approx(0.1)
    assert page.locator('output[for="lstm-update-b"]').inner_text() == "0.10"
    assert column(page, "update")[0] > before[0]
    assert page.locator("#now").inner_text() == "step 1 of 8"


def test_product_of_the_kept_shares_is_said(page: Any) -> None:
    product = column(page, "left")[-1]
    factors = " · ".join(f"{value:.2f}" for value in column(page, "forget"))
    lines = page.locator("#survival").inner_text().splitlines()
    assert lines[1:] == [f"= {factors}", f"= {product:.3f}"]
    bands = page.locator("#chain .band").evaluate_all("all => all.map((b) => +b.dataset.left)")
    assert bands == [1, *column(page, "left")[1:]]


@pytest.mark.parametrize("bad", ["", "99", "-10.5"])
def test_bad_number_is_said_and_the_last_good_one_counts(page: Any, bad: str) -> None:
    field = page.locator("input.x").nth(2)
    field.fill("2")
    good = column(page, "c")
    field.fill(bad)
    assert column(page, "c") == good
    said = page.locator("#complaint").inner_text()
    assert said == "x⟨3⟩: write a number from −10 to 10; until then 2 counts."
    assert field.get_attribute("aria-invalid") == "true"
    field.fill("1")
    assert page.locator("#complaint").inner_text() == ""


def test_numbers_and_pictures_are_saved(page: Any, tmp_path: Path) -> None:
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save the table as CSV").click()
    assert waiting.value.suggested_filename == "gatewise-lstm-steps.csv"
    waiting.value.save_as(tmp_path / "steps.csv")
    with (tmp_path / "steps.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert len(rows) == 9
    assert [float(row[6]) for row in rows] == column(page, "c")
    assert header[6] == "c⟨t⟩"
    for button, name in [("cell", "lstm-step-1"), ("chain", "lstm-chain")]:
        with page.expect_download() as waiting:
            page.get_by_role("button", name=f"Save the {button} as PNG").click()
        assert waiting.value.suggested_filename == f"gatewise-{name}.png"
        waiting.value.save_as(tmp_path / "picture.png")
        content = (tmp_path / "picture.png").read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 10_000  # more than paper


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("form", ["lstm-tanh", "gru-torch"])
def test_page_fits_and_is_kept_as_a_picture(show: Open, form: str, size: str, dark: bool) -> None:
    cell, name, value, _ = FORMS[form]
    with show(size, dark=dark) as page:
        choose(page, "cell", cell)
        choose(page, name, value)
        page.keyboard.press("End")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= SIZES[size]["width"]
        page.wait_for_timeout(300)  # wires and levels have moved
        screenshot(page, f"explain-{cell}-{size}-{'dark' if dark else 'light'}")


def test_page_is_light_and_its_parts_are_named(page: Any, path: Path) -> None:
    assert path.stat().st_size < 200_000
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    nameless = page.evaluate(
        """[...document.querySelectorAll('input, button')].filter((element) =>
          !(element.ariaLabel || element.textContent.trim()
            || element.labels?.[0]?.textContent.trim())).length"""
    )
    assert nameless == 0
    assert page.locator("h1").count() == 1


def test_print_shows_the_page_in_light_colours(show: Open) -> None:
    with show(dark=True) as page:
        assert len(page.pdf()) > 10_000
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == "rgb(255, 255, 255)"


def test_first_cell_can_be_chosen_and_others_are_refused(browser: Any, tmp_path: Path) -> None:
    path = write_explanation(tmp_path / "gru.html", "gru")
    with opened(browser, path) as page:
        assert page.locator('input[name="cell"]:checked').input_value() == "gru"
        assert page.locator("#equations .relevance").is_visible()
    with pytest.raises(ValueError, match="cell must be one of lstm, gru, got 'rnn'"):
        write_explanation(tmp_path / "rnn.html", "rnn")
    assert not (tmp_path / "rnn.html").exists()
