-- :VramPlan: a window beside the file with its memory plan, drawn again whenever the plan changes.

local bars = require('vram_lsp.bars')
local plans = require('vram_lsp.plans')
local server = require('vram_lsp.server')

local NAMESPACE = vim.api.nvim_create_namespace('vram_lsp_plan')

local M = {}

---@type { source: integer, buffer: integer, window: integer }?
local shown

local function close()
  local old = shown
  shown = nil
  if old and vim.api.nvim_win_is_valid(old.window) then
    vim.api.nvim_win_close(old.window, true)
  end
end

local function widest(lines)
  local most = 0
  for _, line in ipairs(lines) do
    local bar = line.bar and line.bar[1][1] or ''
    most = math.max(most, vim.api.nvim_strwidth(line.text) + 1 + vim.api.nvim_strwidth(bar))
  end
  return most
end

-- The lower right corner, where a short file has no text: as large as the plan and no larger than the editor.
local function place(lines)
  return {
    relative = 'editor',
    anchor = 'SE',
    row = vim.o.lines - vim.o.cmdheight - 1,
    col = vim.o.columns,
    width = math.max(20, math.min(widest(lines), vim.o.columns - 4)),
    height = math.max(1, math.min(#lines, vim.o.lines - 6)),
    style = 'minimal',
    border = 'rounded',
    title = ' vram-lsp ',
  }
end

local function write(buffer, lines)
  local texts = vim.tbl_map(function(line)
    return (line.text:gsub('%s*\n%s*', ' '))
  end, lines)
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, texts)
  vim.bo[buffer].modifiable = false
  vim.api.nvim_buf_clear_namespace(buffer, NAMESPACE, 0, -1)
  for number, line in ipairs(lines) do
    local mark = { virt_text = line.bar, virt_text_pos = 'eol', line_hl_group = line.group }
    vim.api.nvim_buf_set_extmark(buffer, NAMESPACE, number - 1, 0, mark)
  end
end

local function draw()
  local document = shown and plans.latest(shown.source)
  if not shown or not document then
    return
  end
  local lines = bars.lines(document)
  write(shown.buffer, lines)
  vim.api.nvim_win_set_config(shown.window, place(lines))
end

local function scratch()
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.bo[buffer].bufhidden, vim.bo[buffer].filetype = 'wipe', 'vram_plan'
  vim.keymap.set('n', 'q', close, { buffer = buffer, nowait = true, desc = 'Close the plan' })
  return buffer
end

local function follow(source, window)
  local group = vim.api.nvim_create_augroup('vram_lsp_plan', {})
  local on = function(event, pattern, buffer, callback)
    vim.api.nvim_create_autocmd(event, { group = group, pattern = pattern, buffer = buffer, callback = callback })
  end
  on('User', 'VramPlanChanged', nil, function(event)
    if event.data.buf == source then
      draw()
    end
  end)
  on('WinClosed', tostring(window), nil, function()
    shown = nil
    vim.api.nvim_del_augroup_by_id(group)
  end)
  on('BufUnload', nil, source, vim.schedule_wrap(close))
  on('VimResized', '*', nil, draw)
end

--- Shows the plan of a buffer beside it; the cursor stays where it is.
---@param source integer
function M.open(source)
  source = source == 0 and vim.api.nvim_get_current_buf() or source
  if not server.client(source) then
    server.say('the server is not attached to this buffer; :checkhealth vram_lsp says why')
    return
  end
  close()
  bars.define_groups()
  local waiting = { { text = 'The plan is on its way.' } }
  local buffer = scratch()
  local window = vim.api.nvim_open_win(buffer, false, place(waiting))
  vim.wo[window].wrap, vim.wo[window].linebreak = true, true
  shown = { source = source, buffer = buffer, window = window }
  write(buffer, waiting)
  follow(source, window)
  draw()
end

--- Closes the plan where it is shown; shows it otherwise.
---@param source integer
function M.toggle(source)
  if shown then
    close()
  else
    M.open(source)
  end
end

return M
