---@brief
---
--- vram-lsp says whether vLLM will start on your GPUs, as you type the YAML that launches it.
---
--- Install the server with pip so that `vram-lsp` is on the path, then
---
--- ```lua
--- vim.lsp.enable('vram_lsp')
--- ```
---
--- Settings, all optional:
---
--- ```lua
--- vim.lsp.config('vram_lsp', {
---   settings = { vramLsp = { hardware = { gpu = 'h100-sxm-80', count = 2 }, vllmVersion = '0.32.0' } },
--- })
--- ```

---@type vim.lsp.Config
return {
  cmd = { 'vram-lsp', 'serve', '--stdio' },
  filetypes = { 'yaml', 'yaml.docker-compose' },
  root_markers = { 'vram-lsp.toml', 'pyproject.toml', '.git' },
  settings = { vramLsp = vim.empty_dict() },
}
