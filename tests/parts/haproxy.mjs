// HAProxy as the balancer before several doors: each request in turn to the next one that is well.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { atStop, json, options, program, stopWhenAsked, tell, temporaryFolder } from './part.mjs';

const given = options({
  port: { type: 'string' },
  servers: { type: 'string' },
});

function configuration(port) {
  const servers = json(given.servers).map((address, number) => `  server door${number} ${address} check inter 200ms fall 1 rise 1`);
  return `
global
  maxconn 2000
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  option redispatch
  retries 3
  retry-on conn-failure empty-response
frontend all
  bind 127.0.0.1:${port}
  default_backend doors
backend doors
  balance roundrobin
${servers.join('\n')}
`;
}

const folder = temporaryFolder('doorward-haproxy');
// Told, because HAProxy does not say which one it took.
const port = Number(given.port);
const file = join(folder, 'haproxy.cfg');
writeFileSync(file, configuration(port));
const haproxy = program('haproxy', ['-db', '-f', file], {
  env: { PATH: `${process.env.PATH}:/usr/sbin` },
  stdio: ['ignore', 'inherit', 'inherit'],
});
const gone = new Promise((resolve) => haproxy.on('exit', resolve));
haproxy.on('exit', (code) => process.exit(code ?? 0));
atStop(async () => {
  haproxy.removeAllListeners('exit');
  haproxy.on('exit', () => undefined);
  haproxy.kill('SIGTERM');
  await gone;
});

async function answers() {
  try {
    return (await fetch(`http://127.0.0.1:${port}/`)).status < 600;
  } catch {
    return false;
  }
}
const until = Date.now() + 60_000;
while (!(await answers())) {
  if (Date.now() > until) throw new Error('HAProxy did not come up');
  await new Promise((resolve) => setTimeout(resolve, 20));
}
stopWhenAsked();
tell({ port });
