-- Every command of the plugin in turn, on a file that does not fit: the plan while typing, the statusline, a
-- recommendation, an artifact, the page, the report on its health, and a server that is killed.
local globals = vim.tbl_keys(_G)
local session = dofile(vim.fs.dirname(arg[0]) .. '/neovim_session.lua')
local seen, wait = session.seen, session.wait
local statusline = function() return require('vram_lsp').statusline() end
local said = {}
vim.notify = function(sentence) table.insert(said, sentence) end

session.start()
session.open('serve.yaml')
local source = vim.api.nvim_get_current_buf()

-- Hints and lenses are there without a word in the configuration.
session.wait_for_verdicts('the file')
seen.lenses = session.lenses()
wait('hints', function() return #vim.lsp.inlay_hint.get({ bufnr = 0 }) > 0 end)
seen.hints_are_on = vim.lsp.inlay_hint.is_enabled({ bufnr = 0 })

-- The statusline never waits: it knows nothing when it is first asked.
seen.first_statusline = statusline()
wait('the statusline', function() return statusline() ~= '' end)
seen.statusline = statusline()

-- As the help has it.
seen.evaluated = vim.api.nvim_eval_statusline("%{v:lua.require'vram_lsp'.statusline()}", {}).str

local function float()
  for _, window in ipairs(vim.api.nvim_list_wins()) do
    local buffer = vim.api.nvim_win_get_buf(window)
    if vim.bo[buffer].filetype == 'vram_plan' then return window, buffer end
  end
end
local function plan()
  local _, buffer = float()
  return buffer and session.text(buffer) or ''
end

-- The plan, and again after a value was typed over.
vim.cmd.VramPlan()
wait('the plan', function() return plan():find('reserved by vLLM') ~= nil end)
seen.plan = plan()
seen.focus_stays = vim.api.nvim_get_current_buf() == source
local _, buffer = float()
seen.bars = 0
for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(buffer, -1, 0, -1, { details = true })) do
  if mark[4].virt_text and mark[4].virt_text[1][1]:find('█') then seen.bars = seen.bars + 1 end
end
vim.api.nvim_win_set_cursor(0, { 3, 0 })
session.type('$ciw4096<Esc>')
wait('the plan of the new text', function() return plan() ~= seen.plan end)
seen.typed = session.text(source)
seen.plan_after_typing = plan()
vim.api.nvim_set_current_win((float()))
session.type('q')
seen.q_closes = float() == nil
vim.cmd.undo()

-- A click on the lens shows it, and the command puts it away again.
session.wait_for_verdicts('the old text')
vim.api.nvim_win_set_cursor(0, { vim.lsp.codelens.get(0)[1].range.start.line + 1, 0 })
vim.lsp.codelens.run()
wait('the plan behind the lens', function() return plan():find('reserved by vLLM') ~= nil end)
vim.cmd.VramPlan()
seen.toggled = float() == nil

-- An artifact by its kind, by a list, and one there is none of.
vim.cmd('VramGenerate compose')
wait('the artifact', function() return vim.api.nvim_get_current_buf() ~= source end)
seen.artifact = session.text(0)
seen.artifact_buffer = { filetype = vim.bo.filetype, buftype = vim.bo.buftype, modified = vim.bo.modified }
vim.cmd.close()
vim.ui.select = function(items, shown, on_choice)
  seen.asked = vim.tbl_map(shown.format_item, items)
  on_choice(items[1], 1)
end
vim.cmd.VramGenerate()
wait('the artifact that was chosen', function() return vim.api.nvim_get_current_buf() ~= source end)
seen.chosen_artifact = session.text(0)
vim.cmd.close()
seen.kinds = vim.fn.getcompletion('VramGenerate ', 'cmdline')
vim.cmd('VramGenerate nothing')
seen.said = table.concat(said, '\n')

-- The page: shown by whatever shows pages here.
vim.ui.open = function(uri)
  seen.page = uri
  return { wait = function() return { code = 0 } end }
end
vim.cmd.VramPage()
wait('the page', function() return seen.page ~= nil end)

-- A recommendation is written by the server's edit.
vim.cmd.VramRecommend()
wait('the edit', function() return session.text(source):find('tensor%-parallel%-size') ~= nil end)
seen.recommended = seen.asked
wait('the new verdict', function() return statusline():find('fits,') ~= nil end)
seen.statusline_after = statusline()
seen.after = session.text(source)

vim.cmd('checkhealth vram_lsp')
seen.health = session.text(0)
vim.cmd.close()

-- The server dies; one command brings it back, and what hangs on it.
local dead = session.client().id
for _, child in ipairs(vim.api.nvim_get_proc_children(vim.fn.getpid())) do vim.uv.kill(child, 'sigkill') end
wait('the crash to be seen', function() return vim.lsp.get_client_by_id(dead) == nil end)
seen.statusline_without_server = statusline()
vim.cmd.VramPlan()
seen.plan_without_server = float() ~= nil
vim.cmd.VramRestart()
wait('the new server', function() return session.client() ~= nil end)
seen.is_new = session.client().id ~= dead
wait('the statusline of the new server', function() return statusline() ~= '' end)
seen.statusline_of_new_server = statusline()

seen.commands = vim.tbl_filter(function(name) return vim.startswith(name, 'Vram') end, vim.tbl_keys(vim.api.nvim_get_commands({})))
seen.globals = vim.tbl_filter(function(name) return not vim.list_contains(globals, name) end, vim.tbl_keys(_G))
session.finish()
