-- Types into a file of five thousand lines key by key, with the plan and the statusline open; notes how long keys took.
local session = dofile(vim.fs.dirname(arg[0]) .. '/neovim_session.lua')
local seen, wait = session.seen, session.wait
session.start()
session.open('large.yaml')
wait('the first findings', function() return #vim.diagnostic.get(0) > 0 end)
vim.cmd.VramPlan()
session.wait_for_verdicts('the file')
seen.first_lens = session.lenses()[1]
wait('the plan', function() return require('vram_lsp').statusline() ~= '' end)

-- How often the plan is asked for.
local client, asked = session.client(), 0
local request = client.request
client.request = function(self, method, params, ...)
  if method == 'workspace/executeCommand' then asked = asked + 1 end
  return request(self, method, params, ...)
end

-- A comment in the middle, then the length of the first deployment; the event loop turns between two keys.
seen.keys, seen.longest_ms = 0, 0
local function type_slowly(keys)
  for key in keys:gmatch('.') do
    local began = vim.uv.hrtime()
    session.type('a' .. key .. '<Esc>')
    seen.longest_ms = math.max(seen.longest_ms, (vim.uv.hrtime() - began) / 1e6)
    seen.keys = seen.keys + 1
    vim.wait(15)
  end
end
vim.api.nvim_win_set_cursor(0, { 2500, 0 })
session.type('o#<Esc>')
type_slowly((' typed in the middle'):rep(3))
vim.fn.search('max-model-len', 'w')
vim.cmd.normal({ args = { 'gg' }, bang = true })
vim.fn.search('max-model-len=16384', 'c')
session.type('f1"_dt"')
vim.cmd.normal({ args = { 'h' }, bang = true })
type_slowly('8192')
seen.asked = asked
seen.line = vim.api.nvim_get_current_line()
seen.last_line = vim.fn.line('$')
wait('the lens of the length that was typed', function() return session.lenses()[1] ~= seen.first_lens end)
seen.lens = session.lenses()[1]
seen.text = session.text(0)
session.finish()
