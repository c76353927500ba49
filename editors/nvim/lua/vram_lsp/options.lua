-- The plugin's own switches, from vim.g.vram_lsp; the server's settings are vim.lsp.config's.

local DEFAULTS = { hints = true, lens = true }

local M = {}

--- The switches in force.
---@return { hints: boolean, lens: boolean }
function M.get()
  return vim.tbl_extend('force', DEFAULTS, vim.g.vram_lsp or {})
end

return M
