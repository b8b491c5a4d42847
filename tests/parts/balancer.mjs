// HAProxy with a configuration of ours, whose files and addresses were filled in.
import { spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { atStop, options, program, stopWhenAsked, tell } from './part.mjs';

const given = options({ port: { type: 'string' }, file: { type: 'string' } });
const env = { PATH: `${process.env.PATH}:/usr/sbin` };
const checked = spawnSync('haproxy', ['-c', '-f', given.file], { env });
if (checked.status !== 0) throw new Error(`${checked.stdout}${checked.stderr}`);
const haproxy = program('haproxy', ['-db', '-f', given.file], { env, stdio: ['ignore', 'inherit', 'inherit'] });
const gone = new Promise((resolve) => haproxy.on('exit', resolve));
haproxy.on('exit', (code) => process.exit(code ?? 0));
atStop(async () => {
  haproxy.removeAllListeners('exit');
  haproxy.on('exit', () => undefined);
  haproxy.kill('SIGTERM');
  await gone;
});

const answers = () => new Promise((resolve) => {
  const socket = connect(Number(given.port), '127.0.0.1', () => { socket.destroy(); resolve(true); });
  socket.on('error', () => resolve(false));
});
const until = Date.now() + 60_000;
while (!(await answers())) {
  if (Date.now() > until) throw new Error('HAProxy did not come up');
  await new Promise((resolve) => setTimeout(resolve, 20));
}
stopWhenAsked();
tell({ port: Number(given.port) });
