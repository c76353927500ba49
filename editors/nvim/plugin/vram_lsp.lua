-- What is there once the plugin is on the runtime path: commands, and hints and lenses where the server attaches.
-- Everything behind a command is loaded when it is first used.

if vim.g.loaded_vram_lsp then
  return
end
vim.g.loaded_vram_lsp = true

if vim.fn.has('nvim-0.11') == 0 then
  vim.notify('vram-lsp needs Neovim 0.11 or later; :help vram-lsp-older says what works before it', vim.log.levels.WARN)
  return
end

local command = vim.api.nvim_create_user_command

command('VramPlan', function()
  require('vram_lsp.plan').toggle(0)
end, { desc = 'The memory plan of this file, live beside it' })

command('VramRecommend', function()
  require('vram_lsp.recommend').choose(0)
end, { desc = 'Choose a configuration that fits, and write it' })

command('VramGenerate', function(given)
  require('vram_lsp.generate').open(0, given.fargs[1])
end, {
  nargs = '?',
  complete = function(typed)
    return require('vram_lsp.generate').complete(typed)
  end,
  desc = 'This deployment written anew, in a scratch buffer',
})

command('VramPage', function()
  require('vram_lsp.page').open(0)
end, { desc = 'The memory plan as a page in the browser' })

command('VramRestart', function()
  require('vram_lsp.server').restart()
end, { desc = 'Stop the server and start it again' })

vim.api.nvim_create_autocmd('LspAttach', {
  group = vim.api.nvim_create_augroup('vram_lsp', {}),
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if client and client.name == 'vram_lsp' then
      require('vram_lsp.decorations').attach(event.buf)
    end
  end,
})

-- The command behind a lens: a click shows the plan.
vim.lsp.commands['vramLsp.plan'] = function(_, context)
  require('vram_lsp.plan').open(context.bufnr)
end
