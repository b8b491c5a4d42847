// Prometheus, which scrapes one target and answers what is asked of it in PromQL. Its rules are loaded, too.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { atStop, options, program, stopWhenAsked, tell, temporaryFolder } from './part.mjs';

const given = options({
  port: { type: 'string' },
  target: { type: 'string' },
  rules: { type: 'string' },
});

const folder = temporaryFolder('doorward-prometheus');
// Told, because Prometheus does not say which one it took.
const port = Number(given.port);
const file = join(folder, 'prometheus.yml');
writeFileSync(
  file,
  `
global: { scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 1s }
rule_files: [${given.rules ?? ''}]
scrape_configs:
  - job_name: doorward
    static_configs: [{ targets: ['${given.target}'], labels: { namespace: here } }]
`,
);
const prometheus = program(
  'prometheus',
  [`--config.file=${file}`, `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${port}`],
  { stdio: ['ignore', 'ignore', 'inherit'] },
);
const gone = new Promise((resolve) => prometheus.on('exit', resolve));
prometheus.on('exit', (code) => process.exit(code ?? 1));
atStop(async () => {
  prometheus.removeAllListeners('exit');
  prometheus.on('exit', () => undefined);
  prometheus.kill('SIGTERM');
  await gone;
});

async function isReady() {
  try {
    return (await fetch(`http://127.0.0.1:${port}/-/ready`)).ok;
  } catch {
    return false;
  }
}
const until = Date.now() + 60_000;
while (!(await isReady())) {
  if (Date.now() > until) throw new Error('Prometheus did not come up');
  await new Promise((resolve) => setTimeout(resolve, 20));
}
stopWhenAsked();
tell({ port });
