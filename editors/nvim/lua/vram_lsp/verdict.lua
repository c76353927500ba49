-- The verdict of a plan document in a few words.

local GIB = 2 ^ 30
local WORDS = { fits = 'fits', ['at-risk'] = 'at risk', infeasible = 'does not fit', unknown = 'no verdict' }
local WORST_FIRST = { 'infeasible', 'at-risk', 'unknown', 'fits' }

local M = {}

--- Bytes as the server writes them.
---@param bytes integer
---@return string
function M.gib(bytes)
  return ('%.2f GiB'):format(bytes / GIB)
end

--- Whether a value of the document is known: JSON's null arrives as vim.NIL.
function M.known(value)
  return value ~= nil and value ~= vim.NIL
end

--- The verdict on one deployment.
---@param deployment table
---@return string
function M.words(deployment)
  return WORDS[deployment.verdict] or deployment.verdict
end

--- The verdict that matters most of a file's deployments; nil where there is none.
---@param deployments table[]
---@return string?
local function worst(deployments)
  for _, verdict in ipairs(WORST_FIRST) do
    for _, each in ipairs(deployments) do
      if each.verdict == verdict then
        return verdict
      end
    end
  end
end

--- A plan document as "vLLM fits, 3.21 GiB free"; '' where it holds no deployment.
---@param document table?
---@return string
function M.of_file(document)
  local deployments = document and document.deployments or {}
  local verdict = worst(deployments)
  if not verdict then
    return ''
  end
  local memory = deployments[1].memory
  if #deployments > 1 or verdict ~= 'fits' or not M.known(memory) then
    return 'vLLM ' .. WORDS[verdict]
  end
  return ('vLLM fits, %s free'):format(M.gib(memory.headroom_bytes))
end

return M
