"""Start-ups that were measured, as ``[[measured]]`` tables of the project file: read by every verb, written by one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vram_engine.facts.versions import parse_version
from vram_engine.measured import Measured
from vram_lsp.cli import UsageError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument
    from tomlkit.items import AoT

KEY = "measured"
PROJECT_FILE = "vram-lsp.toml"
SHARED_FILE = "pyproject.toml"

# Keys of a table and the fields they fill.
_COUNTS: Mapping[str, str] = {
    "tensor-parallel-size": "tensor_parallel_size",
    "max-num-seqs": "max_num_seqs",
    "max-num-batched-tokens": "max_num_batched_tokens",
}
_BYTES: Mapping[str, str] = {
    "weights-bytes": "weights_bytes",
    "activation-bytes": "activation_bytes",
    "cuda-graph-bytes": "cuda_graph_bytes",
    "non-torch-bytes": "non_torch_bytes",
    "beside-weights-bytes": "beside_weights_bytes",
}
_KNOWN = frozenset({"model", "gpu", "vllm-version", "arguments", *_COUNTS, *_BYTES})
_LARGEST = 2**53


def read_measured(value: Any, where: str) -> tuple[tuple[Measured, ...], tuple[str, ...]]:
    """The usable tables of a project file, and sentences about the others."""
    if not isinstance(value, list):
        return (), (f"{where}: {KEY} is a list of tables, written [[{KEY}]]",)
    found: list[Measured] = []
    problems: list[str] = []
    for number, table in enumerate(value, start=1):
        read = _row(table)
        if isinstance(read, Measured):
            found.append(read)
        else:
            problems.append(f"{where}: [[{KEY}]] number {number} {read}")
    return tuple(found), tuple(problems)


def _row(table: Any) -> Measured | str:
    """One table as a Measured, or why it cannot be used."""
    if not isinstance(table, dict):
        return "is not a table"
    for key in table:
        if key not in _KNOWN:
            return f"has a key {str(key)[:40]} that is not known"
    version = parse_version(str(table.get("vllm-version", "")))
    names = (table.get("model"), table.get("gpu"))
    if version is None or not all(isinstance(name, str) and name for name in names):
        return "must say model, gpu and vllm-version"
    if not all(_is_whole(table.get(key)) and table[key] > 0 for key in _COUNTS):
        return f"must say {', '.join(_COUNTS)} as whole numbers above 0"
    if not all(_is_whole(table[key]) for key in _BYTES if key in table):
        return f"must give {', '.join(_BYTES)} as whole numbers of bytes"
    arguments = table.get("arguments", {})
    if not isinstance(arguments, dict) or not all(isinstance(each, str | int | float) for each in arguments.values()):
        return "has arguments that are not plain values"
    return Measured(
        model=str(names[0]),
        gpu=str(names[1]),
        vllm_version=version,
        tensor_parallel_size=table["tensor-parallel-size"],
        max_num_seqs=table["max-num-seqs"],
        max_num_batched_tokens=table["max-num-batched-tokens"],
        arguments=tuple(sorted((str(name), each) for name, each in arguments.items())),
        weights_bytes=table.get("weights-bytes"),
        activation_bytes=table.get("activation-bytes"),
        non_torch_bytes=table.get("non-torch-bytes"),
        cuda_graph_bytes=table.get("cuda-graph-bytes"),
        beside_weights_bytes=table.get("beside-weights-bytes"),
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST


def table_of(row: Measured) -> dict[str, Any]:
    """A Measured as the keys of its table, in the order in which they are written."""
    table: dict[str, Any] = {"model": row.model, "gpu": row.gpu, "vllm-version": str(row.vllm_version)}
    table.update({key: getattr(row, field) for key, field in _COUNTS.items()})
    if row.arguments:
        table["arguments"] = dict(row.arguments)
    amounts = {key: getattr(row, field) for key, field in _BYTES.items()}
    return {**table, **{key: amount for key, amount in amounts.items() if amount is not None}}


def write_measured(row: Measured, folder: Path, project: Path | None) -> Path:
    """Record a start-up in the project file, in place of an earlier one of the same launch; returns the file.

    ``project`` is the folder of the project file in force. Comments and order of the file are kept; a file that is not
    there yet is begun in ``folder``. Raises UsageError for a file that cannot be read or written.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    path = _file(folder, project)
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.is_file() else tomlkit.document()
        _put(document, row, shared=path.name == SHARED_FILE)
        path.write_text(tomlkit.dumps(document), encoding="utf-8", newline="")
    except (OSError, ValueError, TOMLKitError) as error:
        raise UsageError(f"{path} cannot be written: {error}") from error
    return path


def _file(folder: Path, project: Path | None) -> Path:
    """The file that is the project's: its own, else the table in pyproject.toml that speaks for it."""
    if project is None:
        return folder / PROJECT_FILE
    own = project / PROJECT_FILE
    return own if own.is_file() or not (project / SHARED_FILE).is_file() else project / SHARED_FILE


def _put(document: TOMLDocument, row: Measured, *, shared: bool) -> None:
    import tomlkit

    holder: Any = document
    for name in ("tool", "vram-lsp") if shared else ():
        holder = holder[name]
    tables: AoT = holder.get(KEY) or tomlkit.aot()
    table = tomlkit.table()
    for key, value in table_of(row).items():
        table.add(key, _inline(value) if isinstance(value, dict) else value)
    same = [number for number, each in enumerate(tables) if _launches(each, row)]
    if same:
        tables[same[-1]] = table
    else:
        tables.append(table)
    if KEY not in holder:
        holder.add(KEY, tables)


def _launches(table: Any, row: Measured) -> bool:
    read = _row(table.unwrap())
    return isinstance(read, Measured) and read.launch == row.launch


def _inline(values: Mapping[str, Any]) -> Any:
    import tomlkit

    table = tomlkit.inline_table()
    table.update(values)
    return table
