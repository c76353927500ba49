"""Scripts and command strings are split as a shell would split them, as far as that can be told."""

from __future__ import annotations

import pytest

from vram_engine.dialects.chars import HOLE, decoded
from vram_engine.dialects.shell import commands, split_words
from vram_engine.dialects.variables import interpolated, kubelet
from vram_engine.dialects.words import ScalarPart
from vram_engine.syntax.parse import parse


def scalar(body):
    """A script as a literal block, with its text."""
    text = "k: |\n" + "".join(f"  {line}\n" for line in body.split("\n"))
    node = parse(text).documents[0].root.entries[0].value
    return text, node, decoded(text, node)


def script(body, **variables):
    """The commands of a script as lists of words; holes as a question mark."""
    _, node, chars = scalar(body)
    known = {name: scalar(value)[2].slice(0, len(value)) for name, value in variables.items()}
    found = commands(chars, known, ScalarPart(node, False))
    return [[word.text.replace(HOLE, "?") for word in command.words] for command in found]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("a b  c", [["a", "b", "c"]]),
        ("a 'b c' \"d e\" f\\ g", [["a", "b c", "d e", "f g"]]),
        ("a \\\n  --b \\\n  1", [["a", "--b", "1"]]),
        ("a --b \\", [["a", "--b"]]),
        ("a; b && c || d | e & f", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]),
        ("a > out 2>&1 <in b", [["a", "b"]]),
        ("a &>> log --x", [["a", "--x"]]),
        ("a # b c\nd#e", [["a"], ["d#e"]]),
        ("cat <<EOF > f\nvllm serve x\nEOF\nb", [["cat"], ["b"]]),
        ("cat <<-'END'\n$x\nEND\nb", [["cat"], ["b"]]),
        ("if [ -n x ]; then a; else b; fi", [["[", "-n", "x", "]"], ["a"], ["b"]]),
        ("(a; b)", [["a"], ["b"]]),
        ("a $(b c) `d` $((1+2)) $1 $@", [["a", "?", "?", "?", "?", "?"]]),
        ('a "$(b "c d")"x', [["a", "?x"]]),
        ('exec a "x$"', [["exec", "a", "x$"]]),
        ("a ''", [["a", ""]]),
    ],
)
def test_a_script_is_split_into_commands_and_words(body, words):
    """Quotes, escapes, continued lines, operators, redirections, comments and here-documents."""
    assert script(body) == words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("X=1\na $X ${X} \"$X\" '$X'", ["a", "1", "1", "1", "$X"]),
        ("export X=1 Y=two\na $X$Y", ["a", "1two"]),
        ("export X=1 && a $X", ["a", "1"]),
        ("a ${X:-8} ${X-9}", ["a", "8", "9"]),
        ("a $E", ["a", "in", "two"]),
        ('a "$E"', ["a", "in two"]),
        ("a ${E:-8}", ["a", "in", "two"]),
        ('X=$E\na "${X}"', ["a", "in two"]),
        ("a $NOWHERE", ["a", "?"]),
        ("if b; then X=1; fi\na $X", ["a", "?"]),
        ("b && X=1\na $X", ["a", "?"]),
        ("for X in 1 2; do a $X; done", ["a", "?"]),
        ("X=$(nproc)\na $X", ["a", "?"]),
        ("read X\na $X", ["a", "?"]),
        ("a ${X/b/c} ${#X}", ["a", "?", "?"]),
        ("X=1 a $X", ["a", "?"]),
    ],
)
def test_variables_are_replaced_where_they_are_certain(body, words):
    """Assignments and the environment count; what a branch or a command sets does not."""
    assert script(body, E="in two")[-1] == words


def test_a_word_of_a_variable_points_at_its_definition():
    """Where the value is written is where it is shown, and what is replaced."""
    text, node, chars = scalar("X=16\na $X")
    word = [*commands(chars, {}, ScalarPart(node, False))][-1].words[-1]
    assert text[word.span.start : word.span.end] == "16"
    assert text[word.raw.start : word.raw.end] == "$X"


def test_a_compose_string_is_split_but_not_run():
    """Dollar signs and comments are text, and an operator ends the words (as Docker Compose splits them)."""
    _, node, chars = scalar("a '{\"b\": 1}' $X #c\n--d 1 \\\n--e && f")
    words = [word.text for word in split_words(chars, ScalarPart(node, False))]
    assert words == ["a", '{"b": 1}', "$X", "#c", "--d", "1", "--e"]


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ("a ${X:-b} ${Y-c d}", "a b c d"),
        ("$$X ${X:-${Y:-e}}", "$X e"),
        ("$X ${X} ${X:?needed} ${X:+f}", "? ? ? ?"),
        ("100% $ {", "100% $ {"),
    ],
)
def test_compose_fills_in_defaults(body, read):
    """A default is what the file says; a variable without one is set elsewhere."""
    chars = interpolated(scalar(body)[2])
    assert chars.text.rstrip("\n").replace(HOLE, "?") == read


def test_the_kubelet_fills_in_the_environment_of_the_container():
    """$(NAME) is replaced, $$(NAME) is text, and an unknown name is a hole."""
    known = {"A": scalar("1")[2].slice(0, 1)}
    chars = kubelet(scalar("$(A) $$(A) $(B) $A")[2], known)
    assert chars.text.rstrip("\n").replace(HOLE, "?") == "1 $(A) ? $A"
