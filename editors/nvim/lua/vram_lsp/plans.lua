-- The latest plan document of the buffers that somebody looks at, asked for again when the text or the verdict changes.
-- A buffer costs nothing until latest() is first called for it.

local server = require('vram_lsp.server')

local SETTLE_MS = 120

local M = {}

---@type table<integer, { document: table?, timer: uv.uv_timer_t, asked: integer }>
local watched = {}

local group = vim.api.nvim_create_augroup('vram_lsp_plans', {})

-- Only the answer to the latest question counts: what was typed since has a question of its own.
local function ask(buffer)
  local watch, client = watched[buffer], server.client(buffer)
  if not watch or not client then
    return
  end
  watch.asked = watch.asked + 1
  local mine = watch.asked
  server.request(client, buffer, 'vramLsp.plan', {}, function(failure, document)
    if failure or watched[buffer] ~= watch or watch.asked ~= mine or type(document) ~= 'table' then
      return
    end
    watch.document = document
    vim.api.nvim_exec_autocmds('User', { pattern = 'VramPlanChanged', data = { buf = buffer }, modeline = false })
    vim.cmd.redrawstatus()
  end)
end

local ask_from_timer = vim.schedule_wrap(ask)

local function ask_soon(buffer)
  local watch = watched[buffer]
  if watch then
    watch.timer:start(SETTLE_MS, 0, function()
      ask_from_timer(buffer)
    end)
  end
end

local function forget(buffer)
  local watch = watched[buffer]
  watched[buffer] = nil
  if watch then
    watch.timer:stop()
    watch.timer:close()
  end
end

local function begin(buffer)
  watched[buffer] = { document = nil, timer = assert(vim.uv.new_timer()), asked = 0 }
  vim.api.nvim_buf_attach(buffer, false, {
    on_lines = function()
      if not watched[buffer] then
        return true
      end
      ask_soon(buffer)
    end,
    on_detach = function()
      forget(buffer)
    end,
  })
  ask(buffer)
end

-- The server judges anew without a change of text, too: settings, a model that was looked up, a file beside this one.
vim.api.nvim_create_autocmd({ 'DiagnosticChanged', 'LspAttach' }, {
  group = group,
  callback = function(event)
    ask_soon(event.buf)
  end,
})

-- What a stopped server said is no verdict any more.
vim.api.nvim_create_autocmd('LspDetach', {
  group = group,
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if watched[event.buf] and client and client.name == 'vram_lsp' then
      watched[event.buf].document = nil
    end
  end,
})

--- The plan document that was answered last, and from now on kept up to date; nil before the first answer.
---@param buffer integer
---@return table?
function M.latest(buffer)
  if not watched[buffer] then
    if not server.client(buffer) then
      return nil
    end
    begin(buffer)
  end
  return watched[buffer].document
end

return M
