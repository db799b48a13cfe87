"""The Markdown of a report, read by a renderer of GitHub's tables (markdown-it)."""

import re
import shutil

import pytest
from html_page import HOSTILE, change_result, result_of
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gatewise.report import tables, write_markdown
from gatewise.report.markdown import LONGEST_NAME, LONGEST_TEXT, escaped, fenced, paragraph, table
from gatewise.report.rendering import number, percent
from gatewise.report.run_files import read_run
from gatewise.report.tables import Table

JOINER = "\u2060"
READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
NAMES = {
    **HOSTILE,
    "pipe": "a | b || c \\| d",
    "code": "`a` ``b`` ```",
    "fence": "```\n~~~\n````",
    "heading": "# a heading #",
    "item": "- an item",
    "number": "1. one",
    "rule": "---",
    "emphasis": "*a* _b_ **c** __d__ ~~e~~",
    "link": "[text](javascript:alert(1)) ![picture](http://e.example/x) <http://e.example> [^1]",
    "lines": "one\n\n# two\r\n| three |\u2028four",
    "mention": "@octocat and @org/team, #12, GH-12, http://e.example www.e.example me@e.example",
    "mathematics": "$x$ and $$y$$",
    "folded": "</details></summary><!-- -->",
    "backslash": "\\ \\\\ \\n a\\",
    "control": "a\x00b\x1b[31mc\x7f",
}


def tokens(text):
    """All tokens of a document, those inside lines among them."""
    for token in READER.parse(text):
        yield token
        yield from token.children or []


def shape(text):
    """The kinds of a document's tokens, and its HTML: everything but the words."""
    words = ("text", "text_special", "entity")
    return [
        (token.type, token.content if "html" in token.type else "")
        for token in tokens(text)
        if token.type not in words
    ]


def words_of(text):
    """The words that a reader sees."""
    seen = [t.content for t in READER.parse(text) if t.type in ("fence", "code_block")]
    seen += [
        "".join(child.content or " " for child in token.children)
        for token in READER.parse(text)
        if token.type == "inline"
    ]
    return " ".join(" ".join(seen).replace(JOINER, "").split())


def written(run_dir, tmp_path):
    return write_markdown(run_dir, tmp_path / "report.md").read_text(encoding="utf-8")


def test_markdown_holds_the_verdict_and_every_number_of_the_tables(make_run, tmp_path):
    run_dir = make_run()
    result, text = result_of(run_dir), words_of(written(run_dir, tmp_path))
    assert text.index(result["verdict"]["sentence"]) < text.index(result["verdict"]["practical"])
    assert text.index(result["verdict"]["practical"]) < text.index("The models")
    shown = []
    for model in result["cells"] + result["baselines"]:
        for metric in ("mae", "rmse", "mase"):
            mean, low, high = (number(model[metric][key]) for key in ("mean", "low", "high"))
            shown.append(f"{mean} ({low} to {high})")
    for cell in result["cells"]:
        keys = ("hidden", "parameters", "seed_spread", "train_seconds", "step_microseconds")
        shown += [number(cell[key]) for key in keys]
    run = read_run(run_dir)
    for test in result["tests"]:
        shown += [percent(test["difference"]), f"{percent(test['low'])} to {percent(test['high'])}"]
        shown += [percent(value) for value in tables.fold_differences(run, test)]
    for name in ("lstm", "gru", "seasonal"):
        shown += [number(error) for error in result["by_horizon"][name]]
    for fold in result["setup"]["fold_table"]:
        shown += [f"{value:,}" if isinstance(value, int) else value for value in fold.values()]
    setup = result["setup"]
    shown += [setup["command"], setup["machine"], *setup["notes"], *setup["assumptions"]]
    shown += ["torch 2.13.0", "Seeds in a fold: 2", "0a1b2c3d", "0.00123", "80 % of the truths"]
    assert [part for part in shown if part not in text] == []


def test_tables_have_a_cell_for_each_header(make_run, make_labels_run, tmp_path):
    for run_dir in (make_run(), make_labels_run(["a", "b|c"])):
        text = written(run_dir, tmp_path)
        rows = [line for line in text.splitlines() if line.startswith("|")]
        cells = [token.type for token in tokens(text) if token.type in ("th_open", "td_open")]
        pipes = sum(len(re.findall(r"(?<!\\)\|", row)) - 1 for row in rows if ":---" not in row)
        assert len(cells) == pipes
    assert "b|c" in words_of(text)


@pytest.mark.parametrize("kind", NAMES)
def test_hostile_names_are_text(make_run, tmp_path, kind):
    name = NAMES[kind]
    run_dir = make_run(name, name, name)

    def spread(result):
        result["setup"]["notes"] = [name]
        result["setup"]["assumptions"] = [name]
        result["baselines"][0]["label"] = name

    change_result(run_dir, spread)
    text = written(run_dir, tmp_path)
    shutil.rmtree(run_dir)
    run_dir = make_run("plain", "plain", "plain")
    name_before, name = name, "plain"
    change_result(run_dir, spread)
    assert shape(text) == shape(written(run_dir, tmp_path))
    plain = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "\ufffd", name_before.replace("\r", "\n"))
    plain = " ".join(plain.split())
    assert words_of(text).count(plain[: LONGEST_NAME - 20]) >= 5
    if kind == "long":
        assert max(map(len, re.findall("x+", text))) == LONGEST_TEXT - 1
        assert f"{'x' * (LONGEST_NAME - 1)}…" in text


def test_hostile_labels_are_text(make_labels_run, tmp_path):
    names = list(NAMES.values())
    run_dir = make_labels_run(names)
    text = written(run_dir, tmp_path)
    shutil.rmtree(run_dir)
    plain = written(make_labels_run([chr(97 + at) for at in range(len(names))]), tmp_path)
    assert shape(text) == shape(plain)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.booleans())
def test_any_text_in_a_cell_is_that_text(text, taken):
    shown = table(Table(("a", "b"), [("x", text)], taken=[0] if taken else []))
    kinds = [token.type for token in tokens(shown)]
    assert kinds.count("td_open") == 2
    assert kinds.count("tr_open") == 2
    assert [k for k in kinds if "html" in k or k in ("link_open", "image", "code_inline")] == []
    controls = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "\ufffd", text.replace("\r", "\n"))
    assert words_of(shown).replace(" ", "") == "abx" + "".join(controls.split()).replace(JOINER, "")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_text_begins_a_line_as_a_paragraph(text):
    kinds = {token.type for token in READER.parse(paragraph(text))}
    assert kinds <= {"paragraph_open", "inline", "paragraph_close"}


@example("a\n```\nb")
@given(st.text("`~ab\n", max_size=40))
def test_any_text_stays_inside_its_fence(text):
    (block,) = READER.parse(fenced(text))
    assert block.type == "fence"
    assert block.content == text + "\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@octocat", f"@{JOINER}octocat"),
        ("a@b.example", f"a@{JOINER}b.example"),
        ("#12", f"\\#{JOINER}12"),
        ("http://e.example", f"http{JOINER}://e.example"),
        ("WWW.e.example", f"WWW{JOINER}.e.example"),
        ("GH-7", f"GH{JOINER}-7"),
        ("-4.13 %", "-4.13 %"),
        ("a @ b # c", "a @ b \\# c"),
    ],
)
def test_what_github_would_link_is_parted(text, shown):
    assert escaped(text) == shown


def test_parts_that_cannot_be_shown_are_named(make_run, tmp_path):
    run_dir = make_run()
    for path in run_dir.glob("trials/*/history.parquet"):
        path.unlink()
    text = words_of(written(run_dir, tmp_path))
    assert "What cannot be shown Learning curves: the trials kept no histories." in text
