-- What vim.lsp.enable('codeworld') starts; vim.lsp.config('codeworld', { … }) lays your own values over it.
return {
  cmd = { 'codeworld', 'lsp' },
  filetypes = { 'python' },
  root_markers = { 'pyproject.toml', 'setup.py', '.git' },
  on_exit = function(code, signal, id)
    require('codeworld.client').ended(code, signal, id)
  end,
}
