-- The client of a buffer, and the commands of editors/PROTOCOL.md sent to it.

local NAME = 'vram_lsp'

local M = {}

--- The running client of a buffer.
---@param buffer integer
---@return vim.lsp.Client?
function M.client(buffer)
  return vim.lsp.get_clients({ bufnr = buffer, name = NAME })[1]
end

--- Sends a command about a buffer; `answered` gets the result. An error is shown, and `answered` is not called.
---@param buffer integer
---@param name string
---@param more table arguments after the document's URI
---@param answered fun(result: table, client: vim.lsp.Client)
function M.execute(buffer, name, more, answered)
  local client = M.client(buffer)
  if not client then
    M.say('the server is not attached to this buffer; :checkhealth vram_lsp says why')
    return
  end
  M.request(client, buffer, name, more, function(failure, result)
    if failure then
      M.say(failure.message)
    elseif type(result) == 'table' then
      answered(result, client)
    end
  end)
end

--- Sends a command about a buffer, changes typed so far before it; `answered` gets the error or the result.
---@param client vim.lsp.Client
---@param buffer integer
---@param name string
---@param more table
---@param answered fun(failure: lsp.ResponseError?, result: table?)
function M.request(client, buffer, name, more, answered)
  local arguments = { vim.uri_from_bufnr(buffer), unpack(more) }
  client:request('workspace/executeCommand', { command = name, arguments = arguments }, answered, buffer)
end

--- Stops the server where it runs, and starts it for the open files. It also brings one back that has crashed.
function M.restart()
  local old = vim.lsp.get_clients({ name = NAME })
  vim.lsp.enable(NAME, false)
  vim.lsp.stop_client(old)
  vim.wait(3000, function()
    return #vim.lsp.get_clients({ name = NAME }) == 0
  end, 20)
  vim.lsp.enable(NAME)
end

--- A sentence for the user.
---@param sentence string
function M.say(sentence)
  vim.notify('vram-lsp: ' .. sentence, vim.log.levels.WARN)
end

return M
