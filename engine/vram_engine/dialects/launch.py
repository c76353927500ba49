"""Which arguments are a launch of vLLM: told by the program they name, by the image, or by options only vLLM has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, TypeAlias

from vram_engine.dialects.argv import find_flag
from vram_engine.dialects.image import Image, read_image
from vram_engine.dialects.shell import Command, commands
from vram_engine.dialects.variables import Variables, with_template_holes
from vram_engine.dialects.words import ListItem, ScalarPart, Word
from vram_engine.facts.flags import Flag
from vram_engine.syntax.nodes import Scalar, resolve
from vram_engine.text import Span

Program: TypeAlias = Literal["vllm serve", "api_server", "dynamo", "entrypoint"]

# Options of vLLM's that hardly another server has: several of them tell a launch whose image is not known.
_TELLING = frozenset(
    {
        "max-model-len",
        "gpu-memory-utilization",
        "max-num-seqs",
        "max-num-batched-tokens",
        "kv-cache-dtype",
        "tensor-parallel-size",
        "enable-prefix-caching",
        "tool-call-parser",
        "kv-cache-memory-bytes",
    }
)
_ENOUGH_TO_TELL = 3

_MODULES: dict[str, Program] = {
    "vllm.entrypoints.openai.api_server": "api_server",
    "vllm.entrypoints.api_server": "api_server",
    "dynamo.vllm": "dynamo",
}
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh"})
_PYTHON = re.compile(r"python(?:\d(?:\.\d+)?)?")
# Commands that run the command behind them.
_WRAPPERS = frozenset(
    {
        *("exec", "env", "nohup", "sudo", "time", "timeout", "nice", "numactl", "stdbuf", "setsid", "catchsegv"),
        *("tini", "dumb-init", "gosu", "srun", "nsys", "rocprof", "ddtrace-run", "opentelemetry-instrument"),
        *("uv", "uvx", "poetry", "pdm", "pipenv", "conda", "mamba", "micromamba", "infisical", "doppler"),
    }
)
_CONTAINERS = frozenset({"docker", "podman", "nerdctl"})
# Long options of ``docker run`` that take no value.
_CONTAINER_SWITCHES = frozenset(
    {
        *("--rm", "--detach", "--interactive", "--tty", "--init", "--privileged", "--read-only", "--publish-all"),
        *("--quiet", "--no-healthcheck", "--oom-kill-disable", "--sig-proxy", "--disable-content-trust", "--replace"),
    }
)
# Programs that an image of vLLM may be started with instead of its server.
_PROGRAMS = _SHELLS | frozenset(
    {
        *(
            "sleep",
            "tail",
            "cat",
            "ls",
            "env",
            "curl",
            "wget",
            "nvidia-smi",
            "ray",
            "pip",
            "uv",
            "git",
            "huggingface-cli",
        ),
        *("bench", "chat", "complete", "run-batch", "collect-env", "vllm", "hf"),
    }
)
# Options of other servers that take some of vLLM's, too.
_OF_OTHER_SERVERS = frozenset({"--model-name", "--model-id", "--model-dir", "--model-path", "--backend"})
_DEEPEST = 3
_FURTHEST_BEHIND_A_WRAPPER = 16
_ONE_ITEM = re.compile(r"(?P<program>(?:\S*/)?vllm\s+serve)(?:\s+(\S+))?", re.ASCII)
_MODEL_NAME = re.compile(r"/?[\w.@-]+(?:/[\w.@-]+)+/?|/[\w.@-]+", re.ASCII)


# What every document has that launches vLLM: its name, one of its options, or the name of a controller that does.
_MENTIONS_IT = re.compile(
    r"vllm|max[-_]model[-_]len|gpu[-_]memory[-_]utili[sz]ation|max[-_]num[-_]"
    r"|kaito\.sh/|serving\.kserve\.io/|llm_configs",
    re.IGNORECASE,
)


def may_launch(text: str, span: Span) -> bool:
    """Whether a stretch of text is worth a closer look."""
    return _MENTIONS_IT.search(text, span.start, span.end) is not None


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of vLLM: the words of its program, then its arguments, and the environment it starts in.

    ``scripted`` says that a shell script starts it, which may do more than that, and ``background`` that the script
    goes on beside it. ``container`` are the words of a ``docker run`` that it is started by, image included, and
    ``exported`` the variables that reach it: all, where there is no script.
    """

    program: Program
    named: tuple[Word, ...]
    words: tuple[Word, ...]
    variables: Variables
    scripted: bool = False
    background: bool = False
    container: tuple[Word, ...] = ()
    image: Image | None = None
    exported: frozenset[str] | None = None

    @property
    def environment(self) -> Variables:
        """The variables that the program sees; a script keeps to itself what it does not export."""
        if self.exported is None:
            return self.variables
        return {name: value for name, value in self.variables.items() if name in self.exported}


def launches(words: Sequence[Word], variables: Variables, depth: int = 0) -> Iterator[Launch]:
    """The launches in one command: of vLLM itself, in the script of a ``sh -c``, or in a container it runs."""
    script = script_of(words)
    if script is not None:
        if depth < _DEEPEST:
            yield from script_launches(script, variables, depth + 1)
        return
    found = _container_launch(words, variables) or _named_launch(words, variables)
    if found is not None:
        yield replace(found, words=tuple(_plain(word) for word in found.words)) if depth == 0 else found


def script_launches(script: Word, variables: Variables, depth: int = 1) -> Iterator[Launch]:
    """The launches in a shell script."""
    for command in script_commands(script, variables):
        for launch in launches(command.words, command.variables, depth):
            exported = command.exported if launch.exported is None else launch.exported
            background = launch.background or command.background
            yield replace(launch, scripted=True, background=background, exported=exported)


def script_commands(script: Word, variables: Variables) -> Iterator[Command]:
    """All commands of a shell script. A template in it is filled in before the shell sees it."""
    return commands(with_template_holes(script.chars, shell=True), variables, _script_home(script))


def _script_home(word: Word) -> ScalarPart:
    if isinstance(word.home, ScalarPart):
        return word.home
    item = resolve(word.home.holder.items[word.home.index])
    assert isinstance(item, Scalar)  # a word of a list is a scalar
    return ScalarPart(item, word.home.shared)


def _container_launch(words: Sequence[Word], variables: Variables) -> Launch | None:
    """``docker run ... IMAGE ...``: everything up to the image is Docker's."""
    if not words or base_name(words[0].text) not in _CONTAINERS:
        return None
    for at in range(1, len(words)):
        image = read_image(words[at].text)
        is_a_value = _takes_the_next_word(words[at - 1].text)
        if image.holds_vllm and not is_a_value and not words[at].text.startswith("-"):
            before = tuple(words[: at + 1])
            rest = (*_entrypoint(before), *words[at + 1 :])
            found = _named_launch(rest, variables) or entrypoint_launch(rest, variables, image)
            return None if found is None else replace(found, container=before, image=image)
    return None


def _takes_the_next_word(option: str) -> bool:
    """Whether an option of ``docker run`` has its value in the word behind it, as a container's ``--name vllm``."""
    if option.startswith("--"):
        return "=" not in option and option not in _CONTAINER_SWITCHES
    return option.startswith("-") and len(option) == 2 and option[1] not in "ditPq"


def _entrypoint(options: Sequence[Word]) -> tuple[Word, ...]:
    """The program that ``docker run --entrypoint`` puts in place of the image's own; nothing where there is none."""
    for at, word in enumerate(options):
        name, glued, _ = word.text.partition("=")
        if name == "--entrypoint":
            return (word.part(len(name) + 1),) if glued else tuple(options[at + 1 : at + 2])
    return ()


def _named_launch(words: Sequence[Word], variables: Variables) -> Launch | None:
    found = _named(words)
    if found is None:
        return _in_one_item(words, variables)
    program, start, end = found
    return Launch(program, tuple(words[start:end]), tuple(words[end:]), variables)


def entrypoint_launch(words: Sequence[Word], variables: Variables, image: Image | None) -> Launch | None:
    """A launch by an image's own entrypoint, to which the words are arguments.

    An image that holds vLLM needs a model or one option of vLLM's beside it, an unknown one several. vLLM's own image
    may be given all of them in a file.
    """
    telling, core = _counted(words)
    holds = image is not None and image.holds_vllm
    is_told = core > 0 or _names_a_model(words) or (image is not None and image.official and _names_a_config(words))
    is_launch = (holds and is_told) or telling >= _ENOUGH_TO_TELL
    if _is_another_program(words):
        return None
    return Launch("entrypoint", (), tuple(words), variables) if is_launch else None


def _is_another_program(words: Sequence[Word]) -> bool:
    """A command of its own before the arguments, or an option that only other servers have."""
    first = base_name(words[0].text) if words else ""
    if first in _PROGRAMS or _PYTHON.fullmatch(first) is not None or first.endswith((".py", ".sh")):
        return True
    options = {word.text.partition("=")[0].replace("_", "-") for word in words if word.text.startswith("--")}
    return bool(options & _OF_OTHER_SERVERS)


def _plain(word: Word) -> Word:
    """A word that no shell reads: what looks like a variable in it is filled in by something else."""
    return Word(with_template_holes(word.chars), word.raw, word.home)


def _counted(words: Sequence[Word]) -> tuple[int, int]:
    """How many different telling options there are, and how many that only vLLM has."""
    flags = {found.name: found for word in words if word.text.startswith("--") and (found := _flag_in(word.text))}
    return len(_TELLING & set(flags)), sum(found.core for found in flags.values())


def _flag_in(text: str) -> Flag | None:
    name = re.split(r"[=\s]", text, maxsplit=1)[0].partition(".")[0]
    found, _ = find_flag(name)
    return found if isinstance(found, Flag) else None


def _names_a_model(words: Sequence[Word]) -> bool:
    names = any(word.text == "--model" or word.text.startswith("--model=") for word in words)
    return names or (bool(words) and _MODEL_NAME.fullmatch(words[0].text) is not None)


def _names_a_config(words: Sequence[Word]) -> bool:
    """Whether all options may be in a file."""
    pairs = pairwise(words)
    return any(word.text == "--config" and file.text.endswith((".yaml", ".yml")) for word, file in pairs)


def script_of(words: Sequence[Word]) -> Word | None:
    """The script of ``sh -c SCRIPT``, with whatever options the shell has beside it."""
    start = 1 if words and base_name(words[0].text) in _WRAPPERS else 0
    if start >= len(words) or base_name(words[start].text) not in _SHELLS:
        return None
    runs_script = takes_value = False
    for word in words[start + 1 :]:
        if takes_value:
            takes_value = False
        elif word.text.startswith(("-", "+")):
            letters = word.text.lstrip("-+") if not word.text.startswith("--") else ""
            runs_script = runs_script or "c" in letters
            takes_value = letters.endswith("o")
        else:
            return word if runs_script else None
    return None


def _in_one_item(words: Sequence[Word], variables: Variables) -> Launch | None:
    """A list whose first item is ``vllm serve MODEL``: no program has that name, but that is what is meant."""
    said = _ONE_ITEM.fullmatch(words[0].text) if words and isinstance(words[0].home, ListItem) else None
    if said is None:
        return None
    model = (words[0].part(said.start(2), said.end(2)),) if said[2] else ()
    return Launch("vllm serve", (words[0].part(0, said.end("program")),), (*model, *words[1:]), variables)


def _named(words: Sequence[Word]) -> tuple[Program, int, int] | None:
    """The program that is vLLM, and where its name starts and ends in ``words``."""
    reach = _FURTHEST_BEHIND_A_WRAPPER if words and base_name(words[0].text) in _WRAPPERS else 1
    found = (_program_at(words, start) for start in range(min(reach, len(words))))
    return next((each for each in found if each is not None), None)


def _program_at(words: Sequence[Word], start: int) -> tuple[Program, int, int] | None:
    texts = [word.text for word in words[start : start + 6]]
    if len(texts) >= 2 and base_name(texts[0]) == "vllm" and texts[1] == "serve":
        return "vllm serve", start, start + 2
    if _PYTHON.fullmatch(base_name(texts[0])):
        for at in range(1, len(texts) - 1):
            if texts[at] == "-m":
                program = _MODULES.get(texts[at + 1])
                return None if program is None else (program, start, start + at + 2)
            if not texts[at].startswith("-"):
                return None
    return None


def base_name(text: str) -> str:
    """The last part of a path."""
    return text.rpartition("/")[2]
