-- Inlay hints and code lenses, which Neovim leaves off unless somebody asks for them.

local M = {}

--- Switches on what vim.g.vram_lsp allows for a buffer the server has attached to.
---@param buffer integer
function M.attach(buffer)
  local options = require('vram_lsp.options').get()
  if options.hints then
    vim.lsp.inlay_hint.enable(true, { bufnr = buffer })
  end
  if options.lens then
    M.lens(buffer)
  end
end

--- Lenses now, and anew whenever the server has judged the file again: each judgement sends its diagnostics.
---@param buffer integer
function M.lens(buffer)
  local group = vim.api.nvim_create_augroup('vram_lsp_lens_' .. buffer, {})
  local refresh = function()
    local client = require('vram_lsp.server').client(buffer)
    if client and client:supports_method('textDocument/codeLens') then
      vim.lsp.codelens.refresh({ bufnr = buffer })
    end
  end
  vim.api.nvim_create_autocmd('DiagnosticChanged', { group = group, buffer = buffer, callback = refresh })
  refresh()
end

return M
