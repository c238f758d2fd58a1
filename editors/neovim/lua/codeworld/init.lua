-- require('codeworld').setup { cmd = { '/path/to/.venv/bin/codeworld', 'lsp' } }
local M = {}

local defaults = {
  cmd = nil, ---@type string[]? how the server is started; nil: `codeworld lsp` from $PATH
  settings = {}, -- as in the README: { completion = { threshold = 0.8 } }
  keys = { accept = '<Tab>', word = '<C-Right>', line = '<C-Down>' }, -- false: none of ours
}

--- Starts the server for Python files, shows ghost text and maps the keys.
function M.setup(options)
  options = vim.tbl_deep_extend('force', defaults, options or {})
  vim.lsp.config('codeworld', {
    cmd = options.cmd,
    init_options = options.settings,
    settings = { codeworld = options.settings },
  })
  vim.lsp.enable('codeworld')
  local ghost = require('codeworld.ghost')
  ghost.attach()
  ghost.map(options.keys or {})
end

return M
