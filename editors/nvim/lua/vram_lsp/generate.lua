-- :VramGenerate: this file's deployments written anew, each in a scratch buffer of its own.

local server = require('vram_lsp.server')
local verdict = require('vram_lsp.verdict')

-- In the order of a list; what each is, and the filetype of its text.
local KINDS = {
  { 'serve', 'vllm serve command', 'sh' },
  { 'docker', 'docker run command', 'sh' },
  { 'compose', 'Docker compose file', 'yaml' },
  { 'kubernetes', 'Kubernetes Deployment and Service', 'yaml' },
  { 'helm', 'Helm values of vLLM production-stack', 'yaml' },
  { 'config', "vLLM's own config file", 'yaml' },
  { 'profile', 'profile', 'yaml' },
}

local M = {}

local function named(name)
  for _, kind in ipairs(KINDS) do
    if kind[1] == name then
      return kind
    end
  end
end

local function show(artifact, filetype)
  vim.cmd.new()
  local buffer = vim.api.nvim_get_current_buf()
  vim.bo[buffer].buftype, vim.bo[buffer].bufhidden, vim.bo[buffer].swapfile = 'nofile', 'wipe', false
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, vim.split(artifact.text, '\n', { trimempty = true }))
  vim.bo[buffer].filetype, vim.bo[buffer].modified = filetype, false
end

local function generate(buffer, kind)
  server.execute(buffer, 'vramLsp.generate', { { kind = kind[1] } }, function(made)
    for _, artifact in ipairs(made.artifacts) do
      if verdict.known(artifact.text) then
        show(artifact, kind[3])
      else
        server.say(('%s cannot be written as %s: %s'):format(artifact.deployment, kind[1], artifact.refused))
      end
    end
    if #made.artifacts == 0 then
      server.say('this file holds no deployment')
    end
  end)
end

--- Opens the artifact of a kind; asks which where none is named.
---@param buffer integer
---@param name string?
function M.open(buffer, name)
  buffer = buffer == 0 and vim.api.nvim_get_current_buf() or buffer
  if name and not named(name) then
    server.say(('there is no %s; there are %s'):format(name, table.concat(M.complete(''), ', ')))
    return
  end
  if name then
    generate(buffer, named(name))
    return
  end
  local shown = {
    prompt = 'Write this deployment anew as',
    format_item = function(kind)
      return kind[2]
    end,
  }
  vim.ui.select(KINDS, shown, function(kind)
    if kind then
      generate(buffer, kind)
    end
  end)
end

--- The kinds that begin with what is typed.
---@param typed string
---@return string[]
function M.complete(typed)
  local found = {}
  for _, kind in ipairs(KINDS) do
    if vim.startswith(kind[1], typed) then
      table.insert(found, kind[1])
    end
  end
  return found
end

return M
