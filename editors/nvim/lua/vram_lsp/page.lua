-- :VramPage: the server writes the plan as a web page and asks for it to be shown.

local server = require('vram_lsp.server')

local M = {}

--- The plan of a buffer in the browser; where there is none to show it, its place is said.
---@param buffer integer
function M.open(buffer)
  server.execute(buffer, 'vramLsp.planPage', {}, function(page)
    if not page.shown then
      server.say('the page is ' .. vim.uri_to_fname(page.uri))
    end
  end)
end

return M
