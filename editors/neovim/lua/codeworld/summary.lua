-- The page about a repository, in a window beside: <CR> on a line follows its link.
local M = {}

--- The path and line of the link under the cursor, else of the first one after it, else of the line's first.
local function link(line, column)
  local found
  local at = 1
  while true do
    local from, to, path, row = line:find('%]%(([^)#]+)#L(%d+)%)', at)
    if not from then
      return found
    end
    found = found or { path, tonumber(row) }
    if to >= column then
      return { path, tonumber(row) }
    end
    at = to + 1
  end
end

local function follow(root)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local target = link(vim.api.nvim_get_current_line(), cursor[2] + 1)
  if not target then
    return
  end
  local file = vim.fs.joinpath(root, vim.uri_decode(target[1]))
  vim.cmd.wincmd('p')
  vim.cmd.edit(vim.fn.fnameescape(file))
  vim.api.nvim_win_set_cursor(0, { math.min(target[2], vim.api.nvim_buf_line_count(0)), 0 })
end

function M.open(page, root)
  vim.cmd.vnew()
  vim.api.nvim_buf_set_lines(0, 0, -1, false, vim.split(page, '\n'))
  local buffer = vim.bo
  buffer.buftype, buffer.bufhidden, buffer.swapfile, buffer.modifiable = 'nofile', 'wipe', false, false
  buffer.filetype = 'markdown'
  vim.keymap.set('n', '<CR>', function()
    follow(root)
  end, { buffer = true, desc = 'Codeworld: follow the link' })
end

return M
