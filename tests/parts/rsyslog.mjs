// rsyslog, run by whoever runs the test, in a temporary folder: UDP, TCP and TLS (RFC 5426, 6587, 5425), each message as it understood it.
// It can be killed in the middle, stopped softly and started again on the same ports, and made to stand still.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { atStop, control, options, program, stopWhenAsked, tell, temporaryFolder } from './part.mjs';

const given = options({
  // Told, because rsyslog has to find them free again when it is started again.
  udp: { type: 'string' },
  tcp: { type: 'string' },
  tls: { type: 'string' },
  ca: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
  // A name that the client's certificate has to have; without, nobody has to have one.
  client: { type: 'string' },
});

const folder = temporaryFolder('doorward-rsyslog');
const lines = join(folder, 'lines');
const file = join(folder, 'rsyslog.conf');
const pid = join(folder, 'pid');

const property = (name, from, format = 'jsonf') => `  property(outname="${name}" name="${from}" format="${format}")\n`;
const constant = (text) => `  constant(value="${text}")\n`;
const fields = [
  ['priority', 'pri'], ['facility', 'syslogfacility-text'], ['severity', 'syslogseverity-text'], ['version', 'protocol-version'],
  ['hostname', 'hostname'], ['app_name', 'app-name'], ['procid', 'procid'], ['msgid', 'msgid'], ['message', 'msg'], ['raw', 'rawmsg'],
  ['structured_data', 'structured-data'], ['came_by', 'inputname'],
];
const template = [
  constant('{'),
  '  property(outname="timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")\n',
  ...fields.map(([name, from]) => constant(', ') + property(name, from)),
  constant(', \\"structured\\": '),
  '  property(name="$!rfc5424-sd")\n',
  constant('}\\n'),
].join('');

const tls = given.tls && `
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="${given.client ? 'x509/name' : 'anon'}"${given.client ? ` permittedPeer=["${given.client}"]` : ''})
input(type="imtcp" address="127.0.0.1" port="${given.tls}" name="tls" ruleset="keep")`;
writeFileSync(file, `
global(workDirectory="${folder}" ${given.tls ? `defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="${given.ca}" defaultNetstreamDriverCertFile="${given.cert}" defaultNetstreamDriverKeyFile="${given.key}"` : ''})
module(load="imudp")
module(load="imptcp")
module(load="mmpstrucdata")
template(name="understood" type="list") {
${template}}
ruleset(name="keep") {
  action(type="mmpstrucdata")
  action(type="omfile" file="${lines}" template="understood" flushOnTXEnd="on")
}
input(type="imudp" address="127.0.0.2" port="${given.udp}" name="udp" ruleset="keep")
input(type="imptcp" address="127.0.0.1" port="${given.tcp}" name="tcp" ruleset="keep")
${tls ?? ''}
`);

let server;
async function start() {
  if (server) return;
  const child = program('rsyslogd', ['-n', '-f', file, '-i', pid], {
    env: { PATH: `${process.env.PATH}:/usr/sbin` },
    stdio: ['ignore', 'inherit', 'inherit'],
  }, 'SIGKILL');
  child.gone = new Promise((resolve) => child.on('exit', resolve));
  server = child;
  const listens = () => {
    const known = readFileSync('/proc/net/tcp', 'utf8');
    return [given.tcp, given.tls].filter(Boolean).every((port) => known.includes(`0100007F:${Number(port).toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A`));
  };
  const until = Date.now() + 60_000;
  while (!(existsSync(pid) && listens())) {
    if (child.exitCode !== null || Date.now() > until) throw new Error('rsyslog did not come up');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function end(signal) {
  const child = server;
  if (!child) return;
  server = undefined;
  // Who stands still hears nothing else; and what it has not read must not be read before a sudden end.
  if (signal !== 'SIGKILL') child.kill('SIGCONT');
  child.kill(signal);
  await child.gone;
  execFileSync('rm', ['-f', pid]);
}

/** Each line that is whole; one may be under way. */
function understood() {
  if (!existsSync(lines)) return [];
  return readFileSync(lines, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line));
}

await start();
atStop(() => end('SIGKILL'));
const controlPort = await control({
  'GET /messages': () => understood(),
  'POST /start': async () => void (await start()),
  'POST /kill': async () => void (await end('SIGKILL')),
  'POST /stop': async () => void (await end('SIGTERM')),
  'POST /freeze': () => void server.kill('SIGSTOP'),
  'POST /thaw': () => void server.kill('SIGCONT'),
});
stopWhenAsked();
tell({ udp: Number(given.udp), tcp: Number(given.tcp), tls: given.tls && Number(given.tls), control: controlPort });
