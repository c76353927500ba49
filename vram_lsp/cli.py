"""The command line: one function per verb. Starts without pygls, rich, pydantic or any GPU library."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vram_lsp import __version__

if TYPE_CHECKING:
    from vram_engine.recommend.goal import Asked
    from vram_lsp.checking import Checked
    from vram_lsp.config import HubMode
    from vram_lsp.server import VramServer

CLEAN, FOUND, FAILED = 0, 1, 2

_ONLINE = "ask the model hub for models that are not on this machine; without this no socket is opened"


class UsageError(Exception):
    """Something about the call cannot be done; the message says what to do instead."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a bar gets a question mark, and a lone surrogate is no reason to stop.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    words = list(sys.argv[1:] if argv is None else argv)
    # Editors start a server with --stdio alone, and some add options of their own.
    if words and words[0].startswith("--") and "--stdio" in words:
        words = ["serve", *words]
    rest: list[str] = []
    if words[:1] in (["plan"], ["recommend"], ["generate"], ["receipt"]):
        from vram_lsp.arguments import split_plan

        words, rest = split_plan(words)
    options = _parser().parse_args(words)
    options.rest = rest
    try:
        return _VERBS[options.verb](options)
    except UsageError as error:
        print(f"vram-lsp: {error}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        # The reader has seen enough; keep the interpreter from complaining when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLEAN
    except OSError as error:
        print(f"vram-lsp: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vram-lsp",
        description="Says whether vLLM will start on your GPUs, from the YAML that launches it.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"vram-lsp {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    check = verbs.add_parser("check", help="findings of files and folders", allow_abbrev=False)
    check.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    check.add_argument("--online", action="store_true", help=_ONLINE)
    check.add_argument("--format", choices=("text", "json", "sarif", "github"), default="text")
    check.add_argument("--fix", action="store_true", help="apply the fixes that keep what was meant")
    check.add_argument("--diff", action="store_true", help="show what --fix would change, and change nothing")

    plan = verbs.add_parser(
        "plan",
        help="the memory of every deployment of a file, or of flags alone",
        description="The memory of every deployment of FILE, or of a model given by vLLM's own flags. "
        "Flags win over what the file says.",
        allow_abbrev=False,
    )
    plan.add_argument("file", nargs="?", type=Path, metavar="FILE")
    plan.add_argument("--json", action="store_true", help="print the document that programs read")
    plan.add_argument("--online", action="store_true", help=_ONLINE)
    plan.add_argument("--explain", action="store_true", help="every term with its parts and bounds")
    plan.add_argument("--html", type=Path, metavar="OUT", help="write the plan as a web page that needs nothing else")
    _add_hardware(plan)
    plan.epilog = "Any long flag of vllm serve may follow: --model M --tensor-parallel-size N --max-model-len L ..."

    generate = verbs.add_parser(
        "generate",
        help="a deployment of a file written anew: a command, a manifest, a configuration file",
        description="One deployment of FILE as files that start it elsewhere, with the image of the release it is "
        "sized for, its GPUs and shared memory. Each is read back before it is given, and one that would not mean the "
        "same is refused. Secrets are never written, only named. Flags win over what the file says.",
        allow_abbrev=False,
    )
    generate.add_argument("file", type=Path, metavar="FILE")
    generate.add_argument(
        "--emit",
        metavar="KIND[,KIND]",
        help="serve (the default, unless a profile's outputs.emit says otherwise), docker, compose, kubernetes, helm, "
        "config, profile",
    )
    generate.add_argument("--deployment", metavar="NAME", help="which one, where FILE has several")
    generate.add_argument("--output-dir", type=Path, metavar="DIR", help="write files there, and print their names")
    generate.add_argument("--force", action="store_true", help="write over files that are there")
    _add_hardware(generate)
    generate.epilog = plan.epilog

    recommend = verbs.add_parser(
        "recommend",
        help="the configuration that serves what is asked for, and why",
        description="What to change in every deployment of FILE, or of a model given by vLLM's own flags. "
        "--request-tokens and --concurrency are what must be served.",
        allow_abbrev=False,
    )
    recommend.add_argument("file", nargs="?", type=Path, metavar="FILE")
    recommend.add_argument("--format", choices=("text", "json"), default="text")
    recommend.add_argument("--online", action="store_true", help=_ONLINE)
    recommend.add_argument("--request-tokens", type=_count, metavar="L", help="tokens a request may have")
    recommend.add_argument("--mode", choices=("balanced", "throughput", "latency"), help="what matters most")
    recommend.add_argument("--other-gpus", action="store_true", help="on which GPUs it fits as it is, and how many")
    recommend.add_argument("--diff", action="store_true", help="show what --apply would change, and change nothing")
    recommend.add_argument("--apply", action="store_true", help="write the best recommendation into FILE")
    _add_hardware(recommend)
    recommend.epilog = plan.epilog

    receipt = verbs.add_parser(
        "receipt",
        help="a log of vLLM: what it measured beside what is predicted",
        description="The last start-up in LOG (- for standard input), term by term against the prediction. "
        "Flags win over what the log says.",
        allow_abbrev=False,
    )
    receipt.add_argument("log", metavar="LOG")
    receipt.add_argument("--json", action="store_true", help="print the document that programs read")
    receipt.add_argument("--write", action="store_true", help="record what was measured in the project file")
    receipt.add_argument("--online", action="store_true", help=_ONLINE)
    for option in ("--gpu", "--vllm-version"):
        receipt.add_argument(option, metavar=option[2].upper())
    receipt.epilog = plan.epilog

    detect = verbs.add_parser("detect", help="the GPUs of this machine", allow_abbrev=False)
    detect.add_argument("--json", action="store_true")
    explain = verbs.add_parser("explain", help="what a rule checks, why, and an example", allow_abbrev=False)
    explain.add_argument("rule", metavar="RULE")
    gpus = verbs.add_parser("gpus", help="the catalogue of GPUs", allow_abbrev=False)
    gpus.add_argument("--json", action="store_true")
    models = verbs.add_parser("models", help="the catalogue of models", allow_abbrev=False)
    models.add_argument("--json", action="store_true")

    serve = verbs.add_parser("serve", help="the language server, on stdio", allow_abbrev=False)
    serve.add_argument("--tcp", type=int, metavar="PORT", help="listen on this port of localhost instead")
    serve.add_argument("--stdio", action="store_true", help="the default; accepted because editors say it")
    serve.add_argument("--clientProcessId", help="accepted and ignored")
    return parser


def _add_hardware(verb: argparse.ArgumentParser) -> None:
    """What to size for, in place of what the file says."""
    verb.add_argument("--gpu", metavar="NAME")
    verb.add_argument("--gpus", type=_count, metavar="N")
    verb.add_argument("--gpu-memory-bytes", type=_count, metavar="B")
    verb.add_argument("--free-memory-bytes", type=_count, metavar="B")
    verb.add_argument("--vllm-version", metavar="V")
    verb.add_argument("--concurrency", type=_count, metavar="C")
    verb.add_argument("--estimator", choices=("startup", "closed_form"))


def _count(text: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else 0
    if not 0 < value <= 2**53:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return value


def _hub(options: argparse.Namespace) -> HubMode:
    return "on" if options.online else "cache"


def _check(options: argparse.Namespace) -> int:
    from vram_lsp import report
    from vram_lsp.checking import analysed_files
    from vram_lsp.model_sources import model_sources
    from vram_lsp.report.progress import with_progress

    checked: list[Checked] = []
    failed = False
    for each in with_progress(analysed_files(options.paths, model_sources(_hub(options))), sys.stderr):
        if isinstance(each, UsageError):
            print(f"vram-lsp: {each}", file=sys.stderr)
            failed = True
        else:
            checked.append(each)
    if failed and not checked and options.format == "text":
        return FAILED
    if options.fix or options.diff:
        checked = _mended(checked, options)
    code = report.show_check(checked, options.format)
    return FAILED if failed else code


def _mended(checked: list[Checked], options: argparse.Namespace) -> list[Checked]:
    """What is left after safe fixes: shown as a diff, or written."""
    from vram_lsp import mending
    from vram_lsp.checking import analysed_again
    from vram_lsp.model_sources import model_sources

    sources = model_sources(_hub(options))
    after = [mending.mended(each, lambda text, old: analysed_again(text, old, sources)) for each in checked]
    if options.diff:
        sys.stdout.write(mending.diff(checked, after))
        return checked
    mending.write(checked, after)
    return after


def _plan(options: argparse.Namespace) -> int:
    from vram_lsp import report

    return report.show_plan(_planned(options), as_json=options.json, explain=options.explain, page=options.html)


def _planned(options: argparse.Namespace) -> Checked:
    """The deployments of a file or of the arguments; raises UsageError where there is neither."""
    from vram_lsp.arguments import plan_settings
    from vram_lsp.checking import analysed_arguments, analysed_file
    from vram_lsp.model_sources import model_sources

    sources = model_sources(_hub(options))
    settings = plan_settings(options)
    if options.file is not None:
        return analysed_file(options.file, settings, sources)
    if any(setting.name in ("model", "params-b") for setting in settings):
        return analysed_arguments(settings, sources)
    raise UsageError(f"{options.verb} needs a FILE, or --model with flags of vllm serve")


def _recommend(options: argparse.Namespace) -> int:
    from vram_engine.recommend.goal import Asked
    from vram_lsp import recommending, report

    checked = _with_siblings(_planned(options)) if options.online else _planned(options)
    asked = Asked(options.request_tokens, options.concurrency, options.mode)
    if options.diff or options.apply:
        return _applied(checked, asked, options)
    given = recommending.answers(checked, asked, other_gpus=options.other_gpus)
    return report.show_recommendations(checked, given, options.format)


def _with_siblings(checked: Checked) -> Checked:
    """With the quantized checkpoints that the hub lists for the models of a file."""
    from dataclasses import replace

    from vram_engine.model.reference import Unanswered
    from vram_engine.sources.hub import HuggingFaceHub
    from vram_engine.sources.names import is_hub_id
    from vram_lsp.answers import find_model
    from vram_lsp.model_sources import model_sources
    from vram_lsp.recommending import looked_up

    sources, hub, known = model_sources("on"), HuggingFaceHub(f"vram-lsp/{__version__}"), {}
    for ref in {plan.ref for plan in checked.analysis.plans if plan.ref is not None and is_hub_id(plan.ref.name)}:
        found = looked_up(ref, hub, lambda each: find_model(sources, each, ()))
        if isinstance(found, Unanswered):
            print(f"vram-lsp: quantized checkpoints: {found.reason}", file=sys.stderr)
        else:
            known[ref] = found
    return replace(checked, context=replace(checked.context, siblings=known))


def _applied(checked: Checked, asked: Asked, options: argparse.Namespace) -> int:
    """The best recommendations shown as a diff, or written."""
    from vram_lsp import mending, recommending
    from vram_lsp.checking import analysed_again
    from vram_lsp.model_sources import model_sources

    if checked.path is None:
        raise UsageError("--apply and --diff need a FILE")
    sources = model_sources(_hub(options))
    after = recommending.applied(checked, asked, lambda text, old: analysed_again(text, old, sources))
    if options.diff:
        sys.stdout.write(mending.diff([checked], [after]))
    else:
        mending.write([checked], [after])
    is_well = all(plan.verdict == "fits" for plan in after.analysis.plans)
    return CLEAN if is_well else FOUND


def _generate(options: argparse.Namespace) -> int:
    from vram_lsp import artifacts
    from vram_lsp.arguments import plan_settings
    from vram_lsp.checking import analysed_file

    kinds = None if options.emit is None else artifacts.kinds_of(options.emit)
    # Nothing is sized: which models are known is of no importance.
    checked = analysed_file(options.file, plan_settings(options), ())
    plan = artifacts.chosen(checked, options.deployment)
    made = artifacts.artifacts_of(plan, kinds or artifacts.kinds_wished(checked, plan))
    if options.output_dir is None:
        _print_exactly(artifacts.as_text(made))
        return CLEAN
    write = artifacts.write_over if options.force else artifacts.write_new
    for path in write(made, options.output_dir):
        print(path)
    return CLEAN


def _print_exactly(text: str) -> None:
    """A file's text: UTF-8 with its own line ends, whatever the terminal is like."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8"))
    else:
        sys.stdout.write(text)


def _receipt(options: argparse.Namespace) -> int:
    from vram_lsp import report
    from vram_lsp.arguments import plan_settings
    from vram_lsp.model_sources import model_sources
    from vram_lsp.receipts import read_text, receipt, written

    given = receipt(read_text(options.log), plan_settings(options), model_sources(_hub(options)))
    return report.show_receipt(given, options.log, written(given) if options.write else None, as_json=options.json)


def _detect(options: argparse.Namespace) -> int:
    from vram_engine.sources.this_machine import ThisMachine
    from vram_lsp import report

    detected = ThisMachine().detect()
    if detected.problem is not None:
        print(f"vram-lsp: {detected.problem}", file=sys.stderr)
    return report.show_detected(detected, as_json=options.json)


def _explain(options: argparse.Namespace) -> int:
    from vram_lsp import report

    return report.show_rule(options.rule)


def _gpus(options: argparse.Namespace) -> int:
    from vram_lsp import report

    return report.show_gpus(as_json=options.json)


def _models(options: argparse.Namespace) -> int:
    from vram_lsp import report

    return report.show_models(as_json=options.json)


def _serve(options: argparse.Namespace) -> int:
    from vram_engine.sources.this_machine import ThisMachine
    from vram_lsp.lookups import Lookups
    from vram_lsp.model_sources import model_sources
    from vram_lsp.server import create_server

    lookups = Lookups(model_sources("off"))
    server = create_server(lookups, ThisMachine())
    try:
        if options.tcp is not None:
            _start_tcp(server, options.tcp)
        else:
            server.start_io()
    finally:
        lookups.close()
    return server.exit_code


def _start_tcp(server: VramServer, port: int) -> None:
    try:
        server.start_tcp("127.0.0.1", port)
    except (OSError, OverflowError) as error:
        raise UsageError(f"cannot listen on port {port}: {error}") from error


_VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "check": _check,
    "plan": _plan,
    "generate": _generate,
    "recommend": _recommend,
    "receipt": _receipt,
    "detect": _detect,
    "explain": _explain,
    "gpus": _gpus,
    "models": _models,
    "serve": _serve,
}
