-- :VramRecommend: what would fit, chosen from a list and applied as the server's own edit.

local server = require('vram_lsp.server')
local verdict = require('vram_lsp.verdict')

local M = {}

-- Those that can be written into the file.
local function choices(found)
  local writable = {}
  for _, deployment in ipairs(found.deployments) do
    for _, each in ipairs(deployment.recommendations) do
      if verdict.known(each.edit) then
        local of = #found.deployments > 1 and deployment.name .. ': ' or ''
        local words = ('%s%s: %s free per GPU'):format(of, each.title, verdict.gib(each.headroom_bytes))
        table.insert(writable, { words = words, edit = each.edit })
      end
    end
  end
  return writable
end

--- Asks which recommendation to follow, and writes it.
---@param buffer integer
function M.choose(buffer)
  server.execute(buffer, 'vramLsp.recommend', {}, function(found, client)
    local writable = choices(found)
    if #writable == 0 then
      server.say('there is nothing to recommend for this file')
      return
    end
    local shown = {
      prompt = 'Apply a configuration that fits',
      format_item = function(each)
        return each.words
      end,
    }
    vim.ui.select(writable, shown, function(chosen)
      if chosen then
        vim.lsp.util.apply_workspace_edit(chosen.edit, client.offset_encoding)
      end
    end)
  end)
end

return M
