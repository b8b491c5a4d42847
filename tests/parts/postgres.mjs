// PostgreSQL, in a temporary folder, run by an ordinary user. It can be stopped and started again on the same port, softly or as if the power failed,
// and made to stand still: connections stay open, new ones are taken by the system, and nobody answers.
import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, chownSync, copyFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { atStop, control, options, program, stopWhenAsked, tell, temporaryFolder } from './part.mjs';

const given = options({
  port: { type: 'string' },
  durable: { type: 'boolean', default: false },
  cert: { type: 'string' },
  key: { type: 'string' },
});

const HOME = '/usr/lib/postgresql';
const versions = existsSync(HOME) ? readdirSync(HOME).filter((name) => existsSync(join(HOME, name, 'bin/postgres'))) : [];
const bin = join(HOME, versions.sort((one, other) => Number(one) - Number(other)).at(-1) ?? 'missing', 'bin');

// The server refuses to run as root; its package made a user for it.
const number = (flag) => Number(execFileSync('id', [flag, 'postgres']));
const somebody = process.getuid() === 0 ? { uid: number('-u'), gid: number('-g') } : {};
const own = (path) => somebody.uid === undefined || chownSync(path, somebody.uid, somebody.gid);

const folder = temporaryFolder('doorward-postgres');
own(folder);
const data = join(folder, 'data');
const password = 'a password: with signs/of all@kinds';
writeFileSync(join(folder, 'password'), password, { mode: 0o600 });
own(join(folder, 'password'));
execFileSync(
  join(bin, 'initdb'),
  ['-D', data, '-U', 'doorward', '-E', 'UTF8', '--locale=C.UTF-8', '-A', 'scram-sha-256', `--pwfile=${folder}/password`, '--no-sync'],
  { ...somebody, cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] },
);

// Told, because the server does not say which one it took, and has to find it free again when it is started again.
const port = Number(given.port);

const settings = [
  `port = ${port}`,
  "listen_addresses = '127.0.0.1'",
  `unix_socket_directories = '${folder}'`,
  'max_connections = 400',
  'shared_buffers = 64MB',
  ...(given.durable ? [] : ['fsync = off', 'full_page_writes = off']),
];
if (given.cert) {
  for (const [name, from] of [['server.crt', given.cert], ['server.key', given.key]]) {
    copyFileSync(from, join(data, name));
    chmodSync(join(data, name), 0o600);
    own(join(data, name));
  }
  settings.push('ssl = on');
  // Nobody may speak in the clear.
  writeFileSync(join(data, 'pg_hba.conf'), 'hostssl all all 127.0.0.1/32 scram-sha-256\n');
}
appendFileSync(join(data, 'postgresql.conf'), `${settings.join('\n')}\n`);

let server;
async function start() {
  if (server) return;
  const child = program(join(bin, 'postgres'), ['-D', data], { ...somebody, cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] }, 'SIGQUIT');
  child.gone = new Promise((resolve) => child.on('exit', resolve));
  server = child;
  const until = Date.now() + 60_000;
  for (;;) {
    try {
      execFileSync(join(bin, 'pg_isready'), ['-q', '-h', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
      return;
    } catch {
      if (child.exitCode !== null || Date.now() > until) throw new Error('PostgreSQL did not come up');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** `softly` ends every connection with a farewell; otherwise it is as if the power failed. */
async function end(softly) {
  const child = server;
  if (!child || child.exitCode !== null) return void (server = undefined);
  // Who stands still hears nothing.
  signal('SIGCONT');
  server = undefined;
  child.kill(softly ? 'SIGINT' : 'SIGQUIT');
  await child.gone;
}

/** Sends the server and each of its processes a signal. */
function signal(name) {
  const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);
  // The first of them makes no new ones while it stands still.
  for (const process_ of [server.pid, ...children]) process.kill(process_, name);
}

await start();
atStop(() => end(false));
const controlPort = await control({
  'POST /start': async () => void (await start()),
  'POST /freeze': () => signal('SIGSTOP'),
  'POST /thaw': () => signal('SIGCONT'),
  'POST /stop': async (how) => void (await end(how?.softly ?? false)),
});
stopWhenAsked();
const secret = encodeURIComponent(password);
tell({ port, control: controlPort, password, url: `postgres://doorward:${secret}@127.0.0.1:${port}/postgres` });
