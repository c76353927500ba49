-- What a configuration may call; see :help vram-lsp-statusline.

local M = {}

--- The verdict on the current file, as "vLLM fits, 3.21 GiB free"; '' where there is none. It reads what was answered
--- last and never waits.
---@return string
function M.statusline()
  return require('vram_lsp.verdict').of_file(require('vram_lsp.plans').latest(vim.api.nvim_get_current_buf()))
end

return M
