"""Each feature as a plain call: a snapshot and parameters in, LSP's types out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from vram_engine.analysis import analyse
from vram_engine.facts.catalogue import catalogue_model
from vram_engine.syntax.edits import TextEdit, apply
from vram_engine.text import Span
from vram_lsp import proto
from vram_lsp.features import code_action, completion, execute_command, trial
from vram_lsp.features.code_lens import code_lenses
from vram_lsp.features.document_diagnostic import document_diagnostic
from vram_lsp.features.document_link import definition, document_links
from vram_lsp.features.document_symbol import document_symbols
from vram_lsp.features.inlay_hint import inlay_hints

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
URI = "file:///srv/serve.yaml"
DOCUMENT = types.TextDocumentIdentifier(URI)
# Weights of 27.5 GiB in 16 bits: one L4 is not enough, two are.
QWEN = "# vram: gpu=l4 gpus=2\nmodel: Qwen/Qwen2.5-14B-Instruct\nmax-model-len: 8192\n"
MISSPELT = f"# vram: gpu=l4 gpus=2\nmodel: {LLAMA}\nmax-model-leng: 8192\nmax-num-sesq: 8\ntensor-parallel-size: 2\n"
LEAST = proto.Abilities()
RESOLVING = proto.Abilities(resolves_edits=True, versioned_edits=True)


def asked(snapshot, only=None):
    """The parameters of a request for everything in a document."""
    lines = snapshot.analysis.tree.lines
    whole = proto.range_of(lines, Span(0, len(snapshot.text)), snapshot.encoding)
    return types.CodeActionParams(DOCUMENT, whole, types.CodeActionContext([], only=only))


def edited(snapshot, edit):
    """The text after a workspace edit."""
    changes = edit.changes[URI] if edit.changes else edit.document_changes[0].edits
    lines = snapshot.analysis.tree.lines
    edits = (TextEdit(proto.span_of(lines, each.range, snapshot.encoding), each.new_text) for each in changes)
    return apply(snapshot.text, tuple(edits))


def test_a_client_that_cannot_resolve_gets_edits_at_once(snapshot):
    """Every action that is no command carries its edit, in the oldest form there is."""
    found = code_action.code_actions(taken := snapshot(QWEN), asked(taken), LEAST)
    actions = [each for each in found if each.command is None]
    assert actions
    assert all(action.edit.changes is not None and action.data is None for action in actions)


def test_a_client_that_resolves_gets_the_edit_it_chose(snapshot):
    """The same actions without their edits, which come one by one and are the same."""
    taken = snapshot(QWEN)
    lazy = code_action.code_actions(taken, asked(taken), RESOLVING)
    eager = code_action.code_actions(taken, asked(taken), replace(RESOLVING, resolves_edits=False))
    assert [(each.title, each.kind, each.is_preferred) for each in lazy] == [
        (each.title, each.kind, each.is_preferred) for each in eager
    ]
    assert all(each.edit is None for each in lazy)
    # What went through a client comes back as JSON would bring it.
    for each in lazy:
        each.data = json.loads(json.dumps(each.data))
    assert [code_action.resolved(taken, each, RESOLVING).edit for each in lazy] == [each.edit for each in eager]


@pytest.mark.parametrize(("line", "character", "some"), [(1, 0, True), (1, 9, True), (2, 0, False), (10**9, 3, False)])
def test_a_cursor_asks_for_its_line(snapshot, line, character, some):
    """On the key of a value that is red there are the fixes of the value; on other lines there are none."""
    taken = snapshot(QWEN)
    params, at = asked(taken, ["quickfix"]), types.Position(line, character)
    params.range = types.Range(at, at)
    titles = [each.title for each in code_action.code_actions(taken, params, RESOLVING)]
    assert any(each.startswith("Set ") for each in titles) == some
    params.context.trigger_kind = types.CodeActionTriggerKind.Automatic
    assert bool(code_action.code_actions(taken, params, RESOLVING)) == (some and character > 0)


def test_the_recommended_configuration_is_one_edit_with_its_memory_before_and_after(snapshot):
    """One L4 lacks what the weights of 27.5 GiB need beyond it; the edit of the action makes it fit."""
    taken = snapshot(QWEN)
    (lazy,) = code_action.code_actions(taken, asked(taken, [code_action.REWRITE]), RESOLVING)
    assert lazy.title.startswith("Apply the recommended configuration: tensor-parallel-size 2 (free per GPU: -")
    assert lazy.title.endswith(" GiB after)")
    lazy.data = json.loads(json.dumps(lazy.data))
    after = edited(taken, code_action.resolved(taken, lazy, RESOLVING).edit)
    assert after == QWEN + "tensor-parallel-size: 2\n"
    assert analyse(after, taken.context).plans[0].verdict == "fits"


def test_nothing_is_searched_for_while_nobody_looks(snapshot):
    """An editor that asks by itself whether there are actions gets quick fixes alone."""
    taken = snapshot(QWEN)
    params = asked(taken)
    params.context.trigger_kind = types.CodeActionTriggerKind.Automatic
    assert {each.kind for each in code_action.code_actions(taken, params, RESOLVING)} == {types.CodeActionKind.QuickFix}


def test_other_gpus_are_named_with_how_many_it_takes(snapshot):
    """27.5 GiB of weights need more than one GPU of 24 GiB, and one of 80 GiB holds them."""
    taken = snapshot(QWEN)
    actions = code_action.code_actions(taken, asked(taken, ["refactor"]), LEAST)
    (command,) = [each.command for each in actions if each.command is not None]
    assert (command.command, command.arguments) == (execute_command.OTHER_GPUS, [URI, 0])
    found = {each["id"]: each["count"] for each in execute_command.other_gpus(taken, 0)["gpus"]}
    assert found["h100-sxm-80"] == 1
    assert found["l4"] >= 2
    assert execute_command.other_gpus(taken, 9)["gpus"] == []


def test_an_action_for_an_older_text_is_refused(snapshot):
    """Its places are no longer where they were."""
    taken = snapshot(QWEN)
    action = code_action.code_actions(taken, asked(taken), RESOLVING)[0]
    with pytest.raises(JsonRpcException) as refused:
        code_action.resolved(snapshot(QWEN, version=2), action, RESOLVING)
    assert refused.value.code == types.LSPErrorCodes.ContentModified


@pytest.mark.parametrize(
    "data", [None, 7, {}, {"version": 1}, {"version": 1, "finding": 99}, {"version": 1, "finding": "a"}]
)
def test_an_action_that_was_never_offered_is_refused(snapshot, data):
    """Whatever a client sends as data."""
    action = types.CodeAction("Do something", data=data)
    with pytest.raises(JsonRpcException):
        code_action.resolved(snapshot(QWEN), action, RESOLVING)


def test_actions_are_of_the_kinds_asked_for(snapshot):
    """A kind stands for those below it."""
    taken = snapshot(MISSPELT)

    def kinds(*only):
        return {
            str(getattr(each.kind, "value", each.kind))
            for each in code_action.code_actions(taken, asked(taken, only), LEAST)
        }

    assert kinds("quickfix") == {"quickfix"}
    assert kinds("source") == kinds("source.fixAll") == kinds(code_action.FIX_ALL) == {code_action.FIX_ALL}
    assert kinds("") == kinds() == {"quickfix", code_action.FIX_ALL}
    assert kinds("refactor", "source.fix", "source.fixAll.other") == set()


def test_all_safe_fixes_are_one_edit(snapshot):
    """Both misspelt keys at once, and nothing that is a matter of taste."""
    taken = snapshot(MISSPELT)
    (action,) = code_action.code_actions(taken, asked(taken, [code_action.FIX_ALL]), LEAST)
    after = edited(taken, action.edit)
    fixable = [fix for finding in taken.analysis.findings for fix in finding.fixes if fix.safety == "safe"]
    assert len(fixable) >= 2
    assert after == MISSPELT.replace("max-model-leng", "max-model-len").replace("max-num-sesq", "max-num-seqs")


def test_nothing_to_fix_is_not_offered(snapshot):
    """A file whose only ways out are choices has no fix for all."""
    taken = snapshot(QWEN)
    assert code_action.code_actions(taken, asked(taken, [code_action.FIX_ALL]), LEAST) == []


def completed(taken, text):
    """The items at the first place where ``text`` ends."""
    offset = taken.text.index(text) + len(text)
    at = proto.range_of(taken.analysis.tree.lines, Span(offset, offset), taken.encoding).start
    return completion.completion(taken, types.CompletionParams(DOCUMENT, at), LEAST)


def test_items_keep_our_order_and_replace_the_word(snapshot):
    """Sizes are sorted by size, not by their digits, and each replaces what stands there."""
    taken = snapshot(QWEN + "tensor-parallel-size: 1\n")
    items = completed(taken, "tensor-parallel-size: ")
    assert [each.label for each in sorted(items, key=lambda each: each.sort_text)] == ["1", "2"]
    assert all(each.text_edit.range == types.Range(types.Position(3, 22), types.Position(3, 23)) for each in items)
    assert items[0].detail.startswith("does not fit  ")
    assert items[1].detail.startswith("fits  ")


def test_an_item_is_documented_when_it_is_looked_at(snapshot):
    """As Markdown where the client reads it, else in plain words; what is not ours stays as it is."""
    taken = snapshot(QWEN)
    (item,) = (each for each in completed(taken, "gpu=") if each.label == "h100-sxm-80")
    assert item.documentation is None
    item.data = json.loads(json.dumps(item.data))
    shown = completion.resolved(
        taken, replace_documentation(item), proto.Abilities(documents_markdown=True)
    ).documentation
    assert shown.kind == types.MarkupKind.Markdown
    assert "**fits " in shown.value
    plain = completion.resolved(taken, replace_documentation(item), LEAST).documentation
    assert plain.kind == types.MarkupKind.PlainText
    assert "**" not in plain.value
    assert completion.resolved(None, types.CompletionItem("x", data=[1]), LEAST).documentation is None


def replace_documentation(item):
    """The item as it was before anybody looked at it."""
    item.documentation = None
    return item


def test_items_of_keys_and_rules_need_no_document(snapshot):
    """Their documentation is the same in every file."""
    key = types.CompletionItem("max-num-seqs", data={"kind": "key", "subject": "max-num-seqs"})
    assert "Most requests in one step." in completion.resolved(None, key, LEAST).documentation.value
    rule = types.CompletionItem("tight-memory", data={"kind": "rule", "subject": "tight-memory"})
    assert "Why" in completion.resolved(None, rule, LEAST).documentation.value


def test_a_report_is_named_by_its_content(snapshot):
    """The same findings have the same id, which alone is sent when the client has it; others have another."""
    first = document_diagnostic(snapshot(QWEN), None)
    assert [each.code for each in first.items] == ["out-of-memory"]
    unchanged = document_diagnostic(snapshot(QWEN, version=2), first.result_id)
    assert (unchanged.kind, unchanged.result_id) == ("unchanged", first.result_id)
    moved = document_diagnostic(snapshot("\n" + QWEN), first.result_id)
    assert moved.kind == "full"
    assert moved.result_id != first.result_id


@pytest.fixture
def directory(tmp_path):
    """A folder that holds a model's directory."""
    model = tmp_path / "models" / "llama"
    model.mkdir(parents=True)
    (model / "config.json").write_text(json.dumps(dict(catalogue_model(LLAMA).config)))
    return tmp_path


def test_a_local_model_leads_to_its_config(snapshot, directory):
    """Both as a link and as a definition."""
    text = "# vram: gpu=l4\nmodel: models/llama\nmax-model-len: 8192\n"
    taken = snapshot(text, folders=(directory,))
    config = (directory / "models/llama/config.json").resolve().as_uri()
    (link,) = document_links(taken)
    assert link.target == config
    assert link.range == types.Range(types.Position(1, 7), types.Position(1, 19))
    assert definition(taken, types.DefinitionParams(DOCUMENT, types.Position(1, 9))).uri == config
    assert definition(taken, types.DefinitionParams(DOCUMENT, types.Position(2, 3))) is None


def test_an_id_leads_to_its_page(snapshot, monkeypatch):
    """On the hub that is configured, at its revision; there is no document to jump to."""
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example/")
    text = f"# vram: gpu=l4\nmodel: {LLAMA}\nrevision: refs/pr/1\nmax-model-len: 8192\n"
    taken = snapshot(text)
    (link,) = document_links(taken)
    assert link.target == f"https://hub.example/{LLAMA}/tree/refs%2Fpr%2F1"
    assert definition(taken, types.DefinitionParams(DOCUMENT, types.Position(1, 9))) is None


def test_a_path_that_is_not_there_leads_nowhere(snapshot, tmp_path):
    """Neither to a page nor to a file."""
    taken = snapshot("# vram: gpu=l4\nmodel: /models/llama\nmax-model-len: 8192\n", folders=(tmp_path,))
    assert document_links(taken) == []


def test_symbols_nest_where_the_client_shows_trees(snapshot):
    """Else they come in a row, with the deployment as their container."""
    taken = snapshot(QWEN)
    (deployment,) = document_symbols(taken, proto.Abilities(nests_symbols=True))
    assert [child.name for child in deployment.children] == ["gpu", "gpus", "model", "max-model-len"]
    flat = document_symbols(taken, LEAST)
    assert [each.name for each in flat] == ["Qwen/Qwen2.5-14B-Instruct", "gpu", "gpus", "model", "max-model-len"]
    assert flat[-1].container_name == "Qwen/Qwen2.5-14B-Instruct"


def test_hints_and_lenses_stand_at_exact_places(snapshot):
    """Behind the value and over the first key."""
    taken = snapshot(f"# vram: gpu=l4\nmodel: {LLAMA}\nmax-model-len: 8192\n")
    line = types.Range(types.Position(2, 0), types.Position(2, 19))
    hints = inlay_hints(taken, types.InlayHintParams(DOCUMENT, line))
    assert hints[0].label == "1.00 GiB of KV cache per request"
    assert all(hint.position == types.Position(2, 19) for hint in hints)
    (lens,) = code_lenses(taken)
    assert lens.range == types.Range(types.Position(1, 0), types.Position(1, 5))
    assert lens.command.command == "vramLsp.plan"
    assert lens.command.arguments == [URI]


def test_the_plan_of_a_document_is_that_of_the_command_line(snapshot):
    """The public JSON document, of the text in the editor."""
    document = trial.plan(snapshot(QWEN), trial.Trial({}), LEAST)
    (deployment,) = document["deployments"]
    assert document["schema_version"] == 1
    assert (deployment["dialect"], deployment["verdict"]) == ("serve-config", "infeasible")
    assert [each["rule"] for each in document["findings"]] == ["out-of-memory"]
    json.dumps(document)


def test_every_recommendation_fits_once_it_is_applied(snapshot):
    """Each comes with an edit, and the edited text is analysed to the verdict it promised."""
    taken = snapshot(QWEN)
    (deployment,) = execute_command.recommend(taken, LEAST)["deployments"]
    assert deployment["verdict"] == "infeasible"
    assert deployment["recommendations"]
    for each in deployment["recommendations"]:
        (plan,) = analyse(edited(taken, each["edit"]), taken.context).plans
        assert plan.verdict == each["verdict"]
