-- :Codeworld NAME …
local client = require('codeworld.client')
local M = {}

local function uri()
  return vim.uri_from_bufnr(0)
end

-- The server's reasons begin with a name: nothing-staged.
local function nothing(is, reason)
  local name = reason:match('^[a-z]+%-[a-z-]+') or ''
  client.tell(('there %s to offer: %s'):format(is, name:gsub('%-', ' ') .. reason:sub(#name + 1)))
end

local function told(result)
  if result.applied then
    client.tell('fixed (' .. (result.kind or 'checked') .. ')')
  else
    nothing('is no fix', result.reason or 'nothing passed its checks')
  end
end

-- Run a command of the server for what the cursor is in.
local function here(kind, nothing, name, done)
  return function()
    client.target(kind, nothing, function(qualname)
      client.execute(name, { uri(), qualname }, done)
    end)
  end
end

-- The tests are in a buffer that Neovim does not show, and not saved.
local function show_tests(made)
  if made.reason then
    return nothing('are no tests', made.reason)
  end
  local bufnr = vim.fn.bufadd(made.path)
  if not vim.bo[bufnr].modified then -- Neovim asked, and the answer was no: by then it has made the file
    if made.new then
      vim.api.nvim_buf_delete(bufnr, { force = true })
      vim.fs.rm(made.path, { force = true })
    end
    return
  end
  vim.cmd.sbuffer(bufnr)
  local words = { ('%d test%s, not saved yet'):format(made.tests, made.tests == 1 and '' or 's') }
  vim.list_extend(words, vim.tbl_map(function(one)
    return 'suspected bug, ' .. one
  end, made.suspected))
  client.tell(table.concat(words, '\n'))
end

---@type table<string, fun(arguments: string[])>
local commands = {
  fix = function(arguments)
    -- With words behind it: a test that must succeed.
    client.execute('fix', #arguments > 0 and { uri(), table.concat(arguments, ' ') } or { uri() }, told)
  end,
  tests = here('source.generateTests', 'nothing to test', 'generateTests', show_tests),
  docstring = here('refactor.rewrite.docstring', 'no function or class', 'generateDocstring', function(written)
    if written.reason then
      nothing('is no docstring', written.reason)
    end
  end),
  summary = function()
    client.execute('summarizeRepository', {}, function(made)
      require('codeworld.summary').open(made.page, vim.uri_to_fname(made.folder))
    end)
  end,
  commit = function()
    local root = vim.fs.root(0, '.git') or vim.fn.getcwd()
    client.execute('commitMessage', { vim.uri_from_fname(root) }, function(written)
      if (written.message or '') == '' then
        return nothing('is no commit message', written.reason or 'nothing is staged')
      end
      local row = vim.bo.filetype == 'gitcommit' and 0 or vim.api.nvim_win_get_cursor(0)[1] - 1
      vim.api.nvim_buf_set_lines(0, row, row, false, vim.split(written.message, '\n'))
    end)
  end,
  cancel = function()
    client.cancel()
  end,
  status = function()
    client.execute('status', {}, function(report)
      local engine = report.engine
      local words = engine.state == 'ready' and ('%s on %s, %d MB'):format(engine.model, engine.device, engine.resident_mb)
        or engine.state
        or ('the engine is not running (%s)'):format(engine.detail or engine.reason)
      local off = require('codeworld.ghost').is_off(0)
      client.tell((off and ('off: ' .. off .. '; ') or '') .. words)
    end)
  end,
  toggle = function(arguments)
    require('codeworld.ghost').toggle(arguments[1] or vim.bo.filetype)
  end,
  snooze = function(arguments)
    require('codeworld.ghost').snooze(tonumber(arguments[1]) or 15)
  end,
  restart = function()
    for _, running in ipairs(vim.lsp.get_clients({ name = 'codeworld' })) do
      running:stop()
    end
    vim.defer_fn(function()
      vim.lsp.enable('codeworld')
    end, 500)
  end,
  log = function()
    vim.cmd.tabedit(vim.lsp.log.get_filename())
  end,
}

function M.run(words)
  local command = commands[words[1]]
  if not command then
    return client.tell('there is no command ' .. words[1], vim.log.levels.ERROR)
  end
  command(vim.list_slice(words, 2))
end

function M.complete(lead, line)
  if line:match('^%s*Codeworld%s+%S*$') then
    local names = vim.tbl_filter(function(name)
      return vim.startswith(name, lead)
    end, vim.tbl_keys(commands))
    table.sort(names)
    return names
  end
  return {}
end

return M
