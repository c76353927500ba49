-- What the scripts share: a Neovim with the plugin as an init.lua would have it, and how to wait for the server.
-- Arguments of every script: the plugin's folder, the server's command, a folder to work in, where to write what was seen.
local M = { seen = {}, folder = arg[3] }

--- Waits until `ready` is true; ends the session as failed where it does not become so.
function M.wait(what, ready)
  if not vim.wait(20000, ready, 10) then
    io.stderr:write('timed out waiting for ' .. what .. '\n' .. vim.inspect(M.seen) .. '\n')
    os.exit(1)
  end
end

--- The plugin on the runtime path and enabled, with file types, as start-up would do.
function M.start()
  vim.opt.runtimepath:append(arg[1])
  vim.o.swapfile = false
  vim.cmd('filetype plugin on')
  vim.cmd.runtime('plugin/vram_lsp.lua')
  vim.lsp.config('vram_lsp', { cmd = { arg[2], 'serve', '--stdio' } })
  vim.lsp.enable('vram_lsp')
end

--- Opens a file of the folder and waits for the server.
function M.open(name)
  vim.cmd.edit(vim.fn.fnameescape(M.folder .. '/' .. name))
  M.wait('the server', function() return M.client() ~= nil end)
end

--- The client of the current buffer once it may be asked.
function M.client()
  local client = vim.lsp.get_clients({ bufnr = 0, name = 'vram_lsp' })[1]
  return client and client.initialized and client or nil
end

--- Titles of the lenses that are shown.
function M.lenses()
  return vim.tbl_map(function(lens) return lens.command.title end, vim.lsp.codelens.get(0))
end

--- Waits for lenses with a verdict: before there is one they say that the model is being looked up.
function M.wait_for_verdicts(where)
  M.wait('verdicts in ' .. where, function()
    local lenses = M.lenses()
    return #lenses > 0 and not table.concat(lenses):find('looked up')
  end)
end

--- Text of a buffer.
function M.text(buffer)
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), '\n')
end

--- Keys as if typed, mappings too.
function M.type(keys)
  vim.api.nvim_feedkeys(vim.api.nvim_replace_termcodes(keys, true, false, true), 'xt', false)
end

--- Writes what was seen, and ends the session.
function M.finish()
  vim.fn.writefile({ vim.json.encode(M.seen) }, arg[4])
  os.exit(0)
end

return M
