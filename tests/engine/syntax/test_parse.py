"""Parsing never fails, keeps offsets exact, and loses no more than the broken line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vram_engine.syntax.nodes import Alias, Mapping, Scalar, Sequence, resolve
from vram_engine.syntax.parse import parse


def keys(text):
    """Every key of a text at any depth, in order."""
    found = []

    def walk(node):
        node = resolve(node)
        if isinstance(node, Mapping):
            for key, entry in node.pairs():
                found.append(key)
                walk(entry.value)
        elif isinstance(node, Sequence):
            for item in node.items:
                walk(item)

    for document in parse(text).documents:
        walk(document.root)
    return found


# Half-typed texts, one fault each, with the keys a reader would still see.
HALF_TYPED = {
    "a key without its colon": ("model: a\nmax-mod", ["model"]),
    "a colon without its space": ("model: a\nmax-model-len:32768\ndtype: auto", ["model", "dtype"]),
    "a key without a value": ("model: a\nmax-model-len: \ndtype: auto\n", ["model", "max-model-len", "dtype"]),
    "a quote left open": ('model: "org/name\ndtype: auto\nseed: 0\n', ["model", "dtype", "seed"]),
    "a quote left open before another": ('model: "org/name\nname: "x"\nseed: 0\n', ["model", "name", "seed"]),
    "a list left open": ("model: a\nlora-modules: [a, b\ndtype: auto\n", ["model", "lora-modules", "dtype"]),
    "a map left open": ("model: a\nrope: {type: yarn, factor:\ndtype: auto\n", ["model", "rope", "dtype"]),
    "a key indented too far": ("model: a\n  max-model-len: 1\ndtype: auto\n", ["model", "dtype"]),
    "a tab for indentation": ("engines:\n\t- model: a\n\t  dtype: auto\n", ["engines", "model", "dtype"]),
    "an item just begun": ("engines:\n  - model: a\n    dtype: auto\n  - \n", ["engines", "model", "dtype"]),
    "an anchor and an alias just begun": ("model: &\ndtype: auto\nseed: *", ["model", "dtype", "seed"]),
    "a second colon": ("model: a: b\nseed: 1\n", ["model", "seed"]),
    "a percent sign": ("util: %90\nseed: 1\n", ["util", "seed"]),
}


@pytest.mark.parametrize(("text", "expected"), HALF_TYPED.values(), ids=HALF_TYPED)
def test_a_fault_costs_only_its_own_value_or_line(text, expected):
    """Every key that is intact in a half-typed text is still there."""
    assert keys(text) == expected


def test_a_fault_is_reported_on_its_line():
    """The problem covers what is written on the broken line."""
    text = "model: a\nlora: [a, b\nseed: 1\n"
    (problem,) = parse(text).documents[0].problems
    assert text[problem.span.start : problem.span.end] == "lora: [a, b"


def test_one_broken_document_never_silences_another():
    """Documents are read apart from each other, and a fault in one leaves the others whole."""
    tree = parse("a: 1\n---\nb: [\n---\nc: 3\n")
    assert [len(document.problems) for document in tree.documents] == [0, 1, 0]
    assert keys("a: 1\n---\nb: [\n---\nc: 3\n") == ["a", "b", "c"]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_spans_are_those_of_the_text(newline):
    """Keys and values are where they are written, whatever the line breaks and with a byte order mark."""
    text = newline.join(['\ufeffmodel: "a/b" # c', "é: 🦙", "list:", "  - x", ""])
    root = parse(text).documents[0].root
    assert isinstance(root, Mapping)
    written = [text[entry.value.span.start : entry.value.span.end] for entry in root.entries]
    assert written == ['"a/b"', "🦙", "- x"]


def test_values_are_read_as_yaml_1_1():
    """``on`` is true, ``010`` is eight, ``1e3`` is text and ``1:30`` is ninety, as PyYAML and so vLLM read them."""
    root = parse("a: on\nb: 010\nc: 1e3\nd: 1:30\ne: '1'\nf: ~\n").documents[0].root
    assert isinstance(root, Mapping)
    values = [entry.value.value for entry in root.entries if isinstance(entry.value, Scalar)]
    assert values == [True, 8, "1e3", 90, "1", None]


def test_of_a_repeated_key_the_last_counts():
    """PyYAML keeps the last of two equal keys."""
    root = parse("a: 1\na: 2\n").documents[0].root
    assert isinstance(root, Mapping)
    value = root.get("a")
    assert isinstance(value, Scalar)
    assert value.value == 2


def test_an_alias_keeps_its_own_span_and_knows_its_target():
    """What stands behind an alias is found, and where the alias is written too."""
    root = parse("a: &x 1\nb: *x\n").documents[0].root
    assert isinstance(root, Mapping)
    alias = root.entries[1].value
    assert isinstance(alias, Alias)
    assert (alias.span.start, alias.span.end) == (11, 13)
    assert resolve(alias) == root.entries[0].value


def test_comments_inside_scalars_are_not_ours():
    """A directive is a comment; the same words in a shell script are not."""
    tree = parse("run: |\n  # vram: gpu=t4\n# vram: gpu=l4\nx: 1\n")
    assert [comment.text for comment in tree.documents[0].comments] == [" vram: gpu=l4"]


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{a: " * 50_000, "- " * 100_000, "a: [\n" * 20_000, "&a [*a]", "\0\0: \0"]
)
def test_hostile_texts_get_an_answer(text):
    """Depth, repetition, cycles and control characters end in a tree."""
    assert parse(text).text == text


def test_an_alias_bomb_is_not_expanded():
    """Nine levels of nine aliases stand for a billion values and are kept as the few lines they are."""
    levels = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert len(keys("\n".join(levels[:2]))) == 2
    assert parse("\n".join(levels)).documents[0].root is not None


@given(st.text(alphabet=st.sampled_from("ab:- \n\t\"'[]{}#&*|>%!,\r🦙"), max_size=80))
def test_any_text_gives_a_tree(text):
    """Parsing is total."""
    parse(text)
