-- Drives a real Neovim: open a file that does not fit, read the hover, apply the preferred fix, see the finding gone.
-- Arguments: the plugin's folder, the file, the server's command, and where to write what was seen as JSON.
local plugin, file, command, report = arg[1], arg[2], arg[3], arg[4]
vim.cmd('filetype plugin on')
vim.opt.runtimepath:append(plugin)
vim.lsp.config('vram_lsp', { cmd = { command, 'serve', '--stdio' } })
vim.lsp.enable('vram_lsp')
vim.cmd.edit(file)
vim.bo.swapfile = false

local function wait(what, ready)
  if not vim.wait(20000, ready, 10) then
    io.stderr:write('timed out waiting for ' .. what .. '\n')
    os.exit(1)
  end
end

local function errors()
  return vim.diagnostic.get(0, { severity = vim.diagnostic.severity.ERROR })
end

local seen = {}
wait('a diagnostic', function() return #errors() > 0 end)
local first = errors()[1]
seen.diagnostic = { code = first.code, source = first.source, message = first.message, lnum = first.lnum, col = first.col, end_col = first.end_col }
seen.encoding = vim.lsp.get_clients({ bufnr = 0 })[1].offset_encoding

vim.api.nvim_win_set_cursor(0, { first.lnum + 1, first.col })
local client = vim.lsp.get_clients({ bufnr = 0 })[1]
local position = vim.lsp.util.make_position_params(0, client.offset_encoding)
local answers = vim.lsp.buf_request_sync(0, 'textDocument/hover', position, 10000)
seen.hover = answers[client.id].result.contents.value

local before = vim.api.nvim_buf_get_lines(0, 0, -1, false)
vim.lsp.buf.code_action({
  apply = true,
  filter = function(action) return action.isPreferred end,
})
wait('the fix', function() return not vim.deep_equal(before, vim.api.nvim_buf_get_lines(0, 0, -1, false)) end)
wait('the diagnostic to go', function() return #errors() == 0 end)
vim.cmd.write()
seen.remaining = #vim.diagnostic.get(0)
vim.fn.writefile({ vim.json.encode(seen) }, report)
os.exit(0)
