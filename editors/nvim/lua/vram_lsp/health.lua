-- :checkhealth vram_lsp: what is needed, what was found, and what to do about the difference.

local NAME = 'vram_lsp'

local M = {}

local function neovim()
  local this = vim.version()
  local version = ('%d.%d.%d'):format(this.major, this.minor, this.patch)
  if vim.fn.has('nvim-0.11') == 1 then
    vim.health.ok('Neovim ' .. version)
    return true
  end
  vim.health.error('Neovim ' .. version .. ' is too old for this plugin', {
    'Install Neovim 0.11 or later',
    ':help vram-lsp-older says what works before it',
  })
  return false
end

local function program(command)
  local path = vim.fn.exepath(command[1])
  if path == '' then
    vim.health.error(('`%s` is not on the path'):format(command[1]), {
      'Install it with pip, in an environment whose programs are on the path',
      "Or say where it is: vim.lsp.config('vram_lsp', { cmd = { '/path/to/vram-lsp', 'serve', '--stdio' } })",
    })
    return
  end
  local started, process = pcall(vim.system, { path, '--version' }, { text = true })
  local done = started and process:wait(10000)
  if done and done.code == 0 then
    vim.health.ok(('%s at %s'):format(vim.trim(done.stdout), path))
  else
    vim.health.error(('`%s --version` does not run'):format(path), { done and vim.trim(done.stderr) or process })
  end
end

local function enabled()
  if vim.lsp.is_enabled(NAME) then
    vim.health.ok('enabled')
  else
    vim.health.warn('not enabled', { "Put vim.lsp.enable('vram_lsp') into init.lua" })
  end
end

local function attached()
  local clients = vim.lsp.get_clients({ name = NAME })
  if #clients == 0 then
    vim.health.info('attached to no buffer; it starts with the first YAML file')
  end
  for _, client in ipairs(clients) do
    local buffers = #vim.tbl_keys(client.attached_buffers)
    local where = client.root_dir or 'no root directory'
    vim.health.ok(('client %d is attached to %d buffer(s), %s'):format(client.id, buffers, where))
  end
end

local function settings(config)
  local hub = vim.tbl_get(config, 'settings', 'vramLsp', 'hub')
  vim.health.info('model hub (vramLsp.hub): ' .. (hub and tostring(hub) or 'not set, so off; the server asks once'))
  local options = require('vram_lsp.options').get()
  vim.health.info('inlay hints: ' .. (options.hints and 'on' or 'off') .. ' (vim.g.vram_lsp.hints)')
  vim.health.info('code lenses: ' .. (options.lens and 'on' or 'off') .. ' (vim.g.vram_lsp.lens)')
  local text = vim.diagnostic.config().virtual_text
  vim.health.info('findings as virtual text: ' .. (text and 'on' or 'off, as Neovim has it (vim.diagnostic.config)'))
end

function M.check()
  vim.health.start('vram_lsp')
  if not neovim() then
    return
  end
  local config = vim.lsp.config[NAME]
  if not config or config.cmd == nil then
    vim.health.error('lsp/vram_lsp.lua is not on the runtime path', { ':help vram-lsp-setup' })
    return
  end
  if type(config.cmd) == 'table' then
    program(config.cmd)
  else
    vim.health.info('the command is a function of yours, and was not run')
  end
  enabled()
  attached()
  settings(config)
end

return M
