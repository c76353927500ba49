-- Opens every YAML file of a folder, and notes the verdict over each deployment.
local session = dofile(vim.fs.dirname(arg[0]) .. '/neovim_session.lua')
session.start()
for name in vim.fs.dir(session.folder) do
  if vim.endswith(name, '.yaml') then
    session.open(name)
    session.wait_for_verdicts(name)
    session.seen[name] = { lenses = session.lenses(), findings = vim.tbl_map(function(each) return each.code end, vim.diagnostic.get(0)) }
  end
end
session.finish()
