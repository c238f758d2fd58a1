-- The running client: finding it, asking it, and starting it again when it ended by itself.
local M = {}

local WINDOW_S, MOST = 180, 4 -- starts again at most so often in so many seconds
local ends = {} ---@type integer[]

--- The client of a buffer, else any that runs.
function M.get(bufnr)
  return vim.lsp.get_clients({ name = 'codeworld', bufnr = bufnr or 0 })[1]
    or vim.lsp.get_clients({ name = 'codeworld' })[1]
end

function M.tell(text, level)
  vim.notify('Codeworld: ' .. text, level or vim.log.levels.INFO)
end

--- Whether the running server announced a command or a kind of code action.
function M.has(name)
  local client = M.get()
  if not client then
    return false
  end
  local commands = vim.tbl_get(client.server_capabilities, 'executeCommandProvider', 'commands') or {}
  local kinds = vim.tbl_get(client.server_capabilities, 'codeActionProvider', 'codeActionKinds') or {}
  return vim.list_contains(commands, 'codeworld.' .. name) or vim.list_contains(kinds, name)
end

M.pending = nil ---@type { id: integer, client: vim.lsp.Client }?

--- Run `codeworld.NAME`; `done` gets the result, a refusal is told. `:Codeworld cancel` stops it.
function M.execute(name, arguments, done)
  local client = M.get()
  if not client then
    return M.tell('no language server is running; see :checkhealth codeworld', vim.log.levels.WARN)
  end
  local params = { command = 'codeworld.' .. name, arguments = arguments }
  local _, id = client:request('workspace/executeCommand', params, function(err, result)
    M.pending = nil
    if err then
      return M.tell(err.message, vim.log.levels.ERROR)
    end
    done(result)
  end)
  M.pending = id and { id = id, client = client } or nil
end

--- What the server would work on at the cursor: it offers an action of this kind there, whose data names it.
function M.target(kind, nothing, done)
  local client = M.get()
  if not client or not M.has(kind) then
    return M.tell('this server does not offer ' .. kind, vim.log.levels.WARN)
  end
  local params = vim.lsp.util.make_range_params(0, client.offset_encoding)
  params.context = { only = { kind }, diagnostics = {}, triggerKind = vim.lsp.protocol.CodeActionTriggerKind.Invoked }
  client:request('textDocument/codeAction', params, function(err, actions)
    local action = actions and actions[1]
    local why = err and err.message or action and action.disabled and action.disabled.reason
    if why or not action then
      return M.tell(why or ('there is %s at the cursor'):format(nothing), vim.log.levels.WARN)
    end
    done(action.data.qualname)
  end)
end

--- Stop the command that runs. Neovim calls no handler for what was cancelled, so it is told here.
function M.cancel()
  if not M.pending then
    return M.tell('nothing is running')
  end
  M.pending.client:cancel_request(M.pending.id)
  M.pending = nil
  M.tell('stopped')
end

--- A server that nobody stopped (it was killed, it crashed) is started again, but not for ever.
function M.ended(code, signal)
  if (code == 0 and signal == 0) or vim.v.exiting ~= vim.NIL or not vim.lsp.is_enabled('codeworld') then
    return
  end
  local now = os.time()
  ends = vim.tbl_filter(function(at)
    return now - at < WINDOW_S
  end, ends)
  table.insert(ends, now)
  vim.schedule(function()
    if #ends > MOST then
      return M.tell('the language server keeps ending; see :checkhealth codeworld', vim.log.levels.ERROR)
    end
    vim.lsp.enable('codeworld') -- attaches to the open buffers anew
  end)
end

return M
