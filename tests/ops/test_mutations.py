"""The checks of the operators can fail: each sees mistakes, and each mistake is seen."""

import itertools
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import pytest
import test_masks
import test_philox
import test_sequences
import torch
from mutations import MUTATIONS, Edit, install
from truths import FORMS, TRUTHS, find_errors, limit

# Tests that serve as checks; those of their cases that are of the form and of the reference.
TESTS: dict[str, Callable[..., None]] = {
    "lengths": test_sequences.test_lengths_equal_each_sequence_alone,
    "resets": test_sequences.test_resets_equal_pieces_alone,
    "flags beyond": test_sequences.test_flags_beyond_a_length_are_ignored,
    "chunks": test_sequences.test_chunks_with_carried_state_equal_whole,
    "rows": test_sequences.test_batch_equals_its_rows,
    "NaN": test_sequences.test_one_rows_nan_stays_in_its_row,
    "padding": test_sequences.test_padding_never_leaks,
    "mask places": test_masks.test_same_seed_gives_the_same_masks_and_other_places_others,
    "mask bits": test_masks.test_every_kind_row_and_step_has_bits_of_its_own,
    "mask shares": test_masks.test_share_of_bits_is_the_probability,
    "mask scale": test_masks.test_recurrent_mask_is_one_for_all_steps_and_scaled,
    "Philox": test_philox.test_philox_gives_the_known_answers,
    "seed": test_philox.test_seed_is_split_into_its_low_and_its_high_word,
}
MUTATED_FORMS = [(name, form) for name, one in MUTATIONS.items() for form in one.forms]
SHAPE = (5, 3, 3, 4)  # (T, B, I, H)


def cases_of(test: Callable[..., None], form: str) -> Iterator[dict[str, Any]]:
    """Give the parameters of a test's cases that are of a form on the reference."""
    marks = [mark.args for mark in getattr(test, "pytestmark", ())]
    for chosen in itertools.product(*(_named(*arguments) for arguments in marks)):
        case = {name: value for part in chosen for name, value in part.items()}
        if case.get("form", form) == form and case.get("backend", "reference") == "reference":
            yield case


def _named(names: str | tuple[str, ...], values: Any) -> list[dict[str, Any]]:
    if isinstance(names, str):
        return [{names: value} for value in values]
    return [dict(zip(names, value, strict=True)) for value in values]


def truth_is_red(truth: str, form: str) -> bool:
    """Say whether a truth clearly differs from the backend that is there."""
    dtype = TRUTHS[truth].dtypes[-1]
    errors = find_errors(truth, form, dtype=dtype, shape=SHAPE)
    return max(errors.values()) > 100 * limit(FORMS[form], dtype, SHAPE[0])


def fails(test: Callable[..., None], case: dict[str, Any]) -> bool:
    """Say whether a test fails in a case; other errors than a failed assertion are errors."""
    try:
        test(**case)
    except AssertionError:
        return True
    return False


def some_fail(test: Callable[..., None], cases: list[dict[str, Any]]) -> bool:
    """Say whether a test fails in one of its cases."""
    return any(fails(test, case) for case in cases)


def checks_of(form: str) -> dict[str, Callable[[], bool]]:
    """Give the checks that apply to a form, by name; each says whether it is red."""
    truths: dict[str, Callable[[], bool]] = {
        name: partial(truth_is_red, name, form) for name, one in TRUTHS.items() if form in one.forms
    }
    cases = {name: list(cases_of(test, form)) for name, test in TESTS.items()}
    return truths | {
        name: partial(some_fail, TESTS[name], some) for name, some in cases.items() if some
    }


@cache
def run_checks(edits: tuple[Edit, ...], form: str) -> dict[str, bool]:
    """Run a form's checks on a copy of the reference with edits; give which are red."""
    with pytest.MonkeyPatch.context() as patch:
        copies = install(edits, patch)
        patch.setattr(test_philox, "philox", copies["ops.philox"])
        for name in ("make_masks", "draw_bits"):
            patch.setattr(test_masks, name, getattr(copies["ops.masks"], name))
        torch.manual_seed(0)
        return {name: is_red() for name, is_red in checks_of(form).items()}


@pytest.mark.parametrize("form", sorted({form for _, form in MUTATED_FORMS}))
def test_copy_without_a_mistake_is_green(form: str) -> None:
    red = run_checks((), form)
    assert not any(red.values()), red


@pytest.mark.parametrize(("mutation", "form"), MUTATED_FORMS)
def test_mistake_is_seen(mutation: str, form: str) -> None:
    red = run_checks(MUTATIONS[mutation].edits, form)
    assert any(red.values()), f"no check of {list(red)} sees it"


def test_every_check_sees_some_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    red = {
        (mutation, form): run_checks(MUTATIONS[mutation].edits, form)
        for mutation, form in MUTATED_FORMS
    }
    with capsys.disabled():
        print(f"\n\n{'mutation':<50} | {'form':<34} | red, of the checks that apply")
        for (mutation, form), results in red.items():
            names = [name for name, is_red in results.items() if is_red]
            print(f"{mutation:<50} | {form:<34} | {len(names)}/{len(results)} {', '.join(names)}")
    seen = {name for results in red.values() for name, is_red in results.items() if is_red}
    assert seen == {*TRUTHS, *TESTS}
