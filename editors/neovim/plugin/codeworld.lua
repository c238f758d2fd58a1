-- Only the command: nothing is loaded or started before it is used, or before require('codeworld').setup().
if vim.g.loaded_codeworld then
  return
end
vim.g.loaded_codeworld = true

vim.api.nvim_create_user_command('Codeworld', function(call)
  require('codeworld.commands').run(call.fargs)
end, {
  nargs = '+',
  desc = 'Codeworld',
  complete = function(lead, line)
    return require('codeworld.commands').complete(lead, line)
  end,
})
