-- Ghost text: shown by Neovim itself (vim.lsp.inline_completion); here are its keys, and when it is quiet.
local M = {}

local snoozed ---@type uv.uv_timer_t?
local group = vim.api.nvim_create_augroup('codeworld', {})

--- Show ghost text in every buffer that the server is attached to.
function M.attach()
  vim.api.nvim_create_autocmd('LspAttach', {
    group = group,
    callback = function(event)
      local client = vim.lsp.get_client_by_id(event.data.client_id)
      if client and client.name == 'codeworld' and not M.is_off(event.buf) then
        vim.lsp.inline_completion.enable(true, { bufnr = event.buf })
      end
    end,
  })
end

--- Why there is no ghost text in a buffer, or nil.
function M.is_off(bufnr)
  if snoozed then
    return 'snoozed'
  end
  local off = vim.g.codeworld_off or {} ---@type table<string, boolean> by file type
  return off[vim.bo[bufnr].filetype] and ('turned off for ' .. vim.bo[bufnr].filetype) or nil
end

--- After something about is_off() changed.
function M.refresh()
  for _, client in ipairs(vim.lsp.get_clients({ name = 'codeworld' })) do
    for bufnr in pairs(client.attached_buffers) do
      vim.lsp.inline_completion.enable(not M.is_off(bufnr), { bufnr = bufnr })
    end
  end
end

--- Turn ghost text off or on for a file type.
function M.toggle(filetype)
  local off = vim.g.codeworld_off or {}
  off[filetype] = not off[filetype] or nil
  vim.g.codeworld_off = off
  M.refresh()
end

--- No ghost text for so many minutes; 0 ends it.
function M.snooze(minutes)
  if snoozed then
    snoozed:stop()
    snoozed:close()
    snoozed = nil
  end
  if minutes > 0 then
    snoozed = vim.defer_fn(function()
      snoozed = nil
      M.refresh()
    end, minutes * 60000)
  end
  M.refresh()
end

local cuts = {
  word = function(rest) -- with the white space before it; else what is no word
    return rest:match('^%s*[%w_]+') or rest:match('^%s*[^%w_%s]+')
  end,
  line = function(rest)
    return rest:match('^\n?[^\n]*')
  end,
}

--- How much of an item's text is in the buffer by now, in bytes.
local function typed(item)
  if not item.range then
    return 0
  end
  local row, from = item.range:to_extmark()
  local cursor = vim.api.nvim_win_get_cursor(0)
  local behind = vim.api.nvim_get_current_line():sub(from + 1, cursor[2])
  return cursor[1] == row + 1 and vim.startswith(item.insert_text, behind) and #behind or 0
end

--- Accept the ghost text, or its next "word" or "line". False when there is none.
function M.accept(part)
  local cut = cuts[part]
  return vim.lsp.inline_completion.get(cut and {
    on_accept = function(item)
      local text = item.insert_text
      if type(text) == 'string' then
        local from = typed(item)
        item.insert_text = text:sub(1, from) .. (cut(text:sub(from + 1)) or text:sub(from + 1))
      end
      return item
    end,
  } or nil)
end

--- Keys of insert mode that do what they always did where there is no ghost text.
function M.map(keys)
  for part, key in pairs(keys) do
    if key then
      vim.keymap.set('i', key, function()
        -- The menu of suggestions comes first: Tab keeps its meaning there.
        if vim.fn.pumvisible() == 1 or not M.accept(part) then
          return key
        end
      end, { expr = true, desc = 'Codeworld: accept ' .. (part == 'accept' and 'the ghost text' or 'its next ' .. part) })
    end
  end
end

return M
