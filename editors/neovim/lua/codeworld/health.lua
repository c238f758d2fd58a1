-- :checkhealth codeworld
local M = {}

local function check_program(cmd)
  local program = type(cmd) == 'table' and cmd[1] or nil
  if not program then
    return vim.health.info('the server is started by a function of yours')
  end
  local path = vim.fn.exepath(program)
  if path == '' then
    vim.health.error(('`%s` is not a program'):format(program), {
      'name it: require("codeworld").setup { cmd = { "/path/to/.venv/bin/codeworld", "lsp" } }',
      'or make it: `make run` in your copy of Codeworld',
    })
    return nil
  end
  vim.health.ok('program: ' .. path)
  return path
end

-- Without the self-test, which would start the engine.
local function doctor(path)
  local result = vim.system({ path, 'doctor', '--no-self-test', '--json' }, { text = true }):wait(60000)
  local ok, report = pcall(vim.json.decode, result.stdout)
  if not ok then
    return vim.health.error('`codeworld doctor` does not run: ' .. vim.trim(result.stderr or ''))
  end
  vim.health.ok(('codeworld %s, Python %s'):format(report.codeworld, report.python))
  for _, line in ipairs(report.degraded) do
    vim.health.warn(line)
  end
end

function M.check()
  vim.health.start('Codeworld')
  if vim.fn.has('nvim-0.12') == 0 then
    vim.health.error('Neovim 0.12 is needed for ghost text')
    return
  end
  vim.health.ok('Neovim ' .. tostring(vim.version()))
  local config = vim.lsp.config.codeworld
  local path = check_program(config and config.cmd)
  local running = vim.lsp.get_clients({ name = 'codeworld' })
  if not vim.lsp.is_enabled('codeworld') then
    vim.health.warn('not enabled', { 'require("codeworld").setup()' })
  elseif #running == 0 then
    vim.health.info('enabled; starts with the first Python file')
  end
  for _, client in ipairs(running) do
    vim.health.ok(('running: client %d, root %s'):format(client.id, client.root_dir or 'none'))
    if not client:supports_method('textDocument/inlineCompletion') then
      vim.health.error('the server offers no ghost text')
    end
  end
  if path then
    doctor(path)
  end
end

return M
