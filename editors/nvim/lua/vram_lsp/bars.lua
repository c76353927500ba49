-- A plan document as lines of text, and beside each line the bar to draw. Every number is the document's.

local verdict = require('vram_lsp.verdict')

local EIGHTHS = { '▏', '▎', '▍', '▌', '▋', '▊', '▉' }
local BAR = 26
local GROUPS = {
  weights = 'VramWeights',
  activations = 'VramActivations',
  ['CUDA graphs'] = 'VramGraphs',
  ['KV cache of the workload'] = 'VramKvCache',
}
local VERDICT_GROUPS = {
  fits = 'DiagnosticOk',
  ['at-risk'] = 'DiagnosticWarn',
  infeasible = 'DiagnosticError',
  unknown = 'DiagnosticInfo',
}
-- The findings that a plan without a budget needs beside it.
local WHY_NO_VERDICT = {
  ['model-unknown'] = true,
  ['gpu-unknown'] = true,
  ['not-modelled'] = true,
  ['invalid-value'] = true,
}
local LINKS = {
  VramWeights = 'Function',
  VramActivations = 'String',
  VramGraphs = 'Special',
  VramOther = 'Identifier',
  VramKvCache = 'Constant',
  VramWhole = 'NonText',
}

local M = {}

---@class vram_lsp.Line
---@field text string
---@field group string? of the text
---@field bar [string, string][]? chunks of text and highlight group, drawn after the text

--- The highlight groups, unless a colour scheme or the user has set them.
function M.define_groups()
  for group, link in pairs(LINKS) do
    vim.api.nvim_set_hl(0, group, { link = link, default = true })
  end
end

-- Blocks for an amount, in eighths of a cell; an amount that is there is never nothing.
local function blocks(amount, most)
  if amount <= 0 or most <= 0 then
    return ''
  end
  local eighths = math.max(1, math.floor(amount / most * BAR * 8 + 0.5))
  return ('█'):rep(math.floor(eighths / 8)) .. (EIGHTHS[eighths % 8] or '')
end

local function band(term)
  if term.high > term.low then
    return ('%.2f to %.2f'):format(term.low / 2 ^ 30, term.high / 2 ^ 30)
  end
  return ''
end

local function row(name, bytes, most, group, note)
  local text = ('%-25s%9.2f  %-16s'):format(name, bytes / 2 ^ 30, note or '')
  return { text = text, bar = { { blocks(bytes, most), group } } }
end

-- A sum is no memory of its own kind: its bar is what lies below it in the stack.
local function budget(deployment)
  local memory = deployment.memory
  local most = math.max(memory.total_bytes, memory.required_bytes)
  local lines = { { text = ('%-25s%9s  %s'):format('per GPU', 'GiB', 'low to high'), group = 'Comment' } }
  for _, term in ipairs(memory.terms) do
    table.insert(lines, row(term.name, term.bytes, most, GROUPS[term.name] or 'VramOther', band(term)))
  end
  local kv = 'KV cache of the workload'
  table.insert(lines, row(kv, memory.kv_cache_required_bytes, most, GROUPS[kv]))
  table.insert(lines, row('required', memory.required_bytes, most, 'Title'))
  table.insert(lines, row('free', memory.headroom_bytes, most, 'DiagnosticOk'))
  table.insert(lines, row('reserved by vLLM', memory.requested_bytes, most, 'VramWhole'))
  table.insert(lines, row('the GPU', memory.total_bytes, most, 'VramWhole'))
  return lines
end

local function thousands(number)
  local digits = ('%d'):format(number):reverse():gsub('(%d%d%d)', '%1,')
  return (digits:reverse():gsub('^,', ''))
end

-- What is kept in the cache that vLLM makes of what it reserves.
local function cache(deployment)
  local kv, available = deployment.kv_cache, deployment.memory.kv_cache_available_bytes
  if not verdict.known(kv) or not verdict.known(kv.capacity_tokens) or available <= 0 then
    return nil
  end
  local words = 'KV cache %s per GPU = %s tokens = %.2f requests of %s'
  local length = thousands(deployment.max_model_len)
  return { text = words:format(verdict.gib(available), thousands(kv.capacity_tokens), kv.max_concurrency, length) }
end

local function headline(deployment)
  local model = verdict.known(deployment.model.id) and deployment.model.id or deployment.name
  local gpus = deployment.tensor_parallel_size * deployment.pipeline_parallel_size
  local on = verdict.known(deployment.gpu.name) and (' on %d x %s'):format(gpus, deployment.gpu.name) or ''
  local text = ('%s: %s%s, vLLM %s'):format(verdict.words(deployment), model, on, deployment.vllm_version)
  return { text = text, group = VERDICT_GROUPS[deployment.verdict] }
end

local function of_deployment(deployment)
  local lines = { headline(deployment) }
  if verdict.known(deployment.failure) then
    table.insert(lines, { text = deployment.failure.message })
  end
  if verdict.known(deployment.memory) then
    vim.list_extend(lines, budget(deployment))
    table.insert(lines, cache(deployment))
  end
  for _, each in ipairs(deployment.recommendations) do
    table.insert(lines, { text = 'would fit: ' .. each.title, group = 'DiagnosticHint' })
  end
  return lines
end

--- The lines of a plan document, an empty one between deployments; one that says so where there are none.
---@param document table
---@return vram_lsp.Line[]
function M.lines(document)
  local lines = {}
  for _, deployment in ipairs(document.deployments) do
    if #lines > 0 then
      table.insert(lines, { text = '' })
    end
    vim.list_extend(lines, of_deployment(deployment))
  end
  for _, finding in ipairs(document.findings) do
    if WHY_NO_VERDICT[finding.rule] then
      table.insert(lines, { text = finding.message, group = 'DiagnosticInfo' })
    end
  end
  return #lines > 0 and lines or { { text = 'This file holds no deployment of vLLM.' } }
end

return M
