-- :Codeworld NAME …
local client = require('codeworld.client')
local M = {}

local function uri()
  return vim.uri_from_bufnr(0)
end

local function told(result)
  if result.applied then
    client.tell('fixed (' .. (result.kind or 'checked') .. ')')
  else
    client.tell('there is no fix to offer: ' .. (result.reason or 'nothing passed its checks'))
  end
end

local function action(kind)
  return function()
    if not client.has(kind) then
      return client.tell('this server does not offer ' .. kind, vim.log.levels.WARN)
    end
    vim.lsp.buf.code_action({
      apply = true,
      context = { only = { kind }, diagnostics = {} },
    })
  end
end

---@type table<string, fun(arguments: string[])>
local commands = {
  fix = function(arguments)
    -- With words behind it: a test that must succeed.
    client.execute('fix', #arguments > 0 and { uri(), table.concat(arguments, ' ') } or { uri() }, told)
  end,
  tests = action('source.generateTests'),
  docstring = action('refactor.rewrite.docstring'),
  summary = function()
    client.execute('summarizeRepository', {}, function(made)
      require('codeworld.summary').open(made.page, vim.uri_to_fname(made.folder))
    end)
  end,
  commit = function()
    local root = vim.fs.root(0, '.git') or vim.fn.getcwd()
    client.execute('commitMessage', { vim.uri_from_fname(root) }, function(written)
      if not written.message then
        return client.tell('there is no commit message to offer: ' .. (written.reason or 'nothing is staged'))
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
