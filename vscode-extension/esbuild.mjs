// One file that VS Code loads, and the licences of what is bundled in it. No time or path gets into either.
import { build } from 'esbuild';
import fs from 'node:fs';

const { metafile } = await build({
  entryPoints: ['src/extension.ts'],
  outfile: 'dist/extension.js',
  bundle: true,
  minify: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  external: ['vscode'],
  metafile: true,
  logLevel: 'warning',
});

const bundled = Object.keys(metafile.inputs).map(
  (path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1],
);
const notices = [...new Set(bundled)].filter(Boolean).sort().map(notice);
fs.writeFileSync('dist/NOTICES.txt', notices.join('\n\n'));

function notice(name) {
  const folder = `node_modules/${name}`;
  const { version, license } = JSON.parse(fs.readFileSync(`${folder}/package.json`, 'utf8'));
  const file = fs.readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  const text = file ? fs.readFileSync(`${folder}/${file}`, 'utf8').trim() : license;
  return `${name} ${version} (${license})\n\n${text}`;
}
