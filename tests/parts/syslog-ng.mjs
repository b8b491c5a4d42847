// syslog-ng, run by whoever runs the test, in a temporary folder: UDP, TCP with octet counting (its `syslog()`) and with line feeds (its
// `network()`), and TLS, each message as it understood it. Unpacked by `tests/setup`, because its package and rsyslog's exclude each other.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { control, options, program, stopWhenAsked, tell, temporaryFolder } from './part.mjs';

const given = options({
  udp: { type: 'string' },
  tcp: { type: 'string' },
  lines: { type: 'string' },
  tls: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
});

const unpacked = join(dirname(fileURLToPath(import.meta.url)), '.tools', 'syslog-ng');
const own = join(unpacked, 'usr', 'lib', 'syslog-ng');
// Its modules lie in a folder that is named by the version of its configuration.
const version = readdirSync(own).find((name) => existsSync(join(own, name, 'libafsocket.so')));
const libraries = [own, ...['lib', join('usr', 'lib')].flatMap((place) => {
  const at = join(unpacked, place);
  return existsSync(at) ? readdirSync(at).filter((name) => name.endsWith('-linux-gnu')).map((name) => join(at, name)) : [];
})];

const folder = temporaryFolder('doorward-syslog-ng');
const lines = join(folder, 'lines');
const file = join(folder, 'syslog-ng.conf');
const tls = given.tls && `
source tls { syslog(ip(127.0.0.1) port(${given.tls}) transport("tls") tls(key-file("${given.key}") cert-file("${given.cert}") peer-verify(optional-untrusted))); };`;
const fields = {
  came_by: 'SOURCE', facility: 'FACILITY', severity: 'PRIORITY', timestamp: 'S_ISODATE', hostname: 'HOST', app_name: 'PROGRAM', msgid: 'MSGID', message: 'MESSAGE',
};
const template = Object.entries(fields).map(([name, macro]) => `${name}=$${macro}`).join(' ');
writeFileSync(file, `@version: ${version}
options { keep-hostname(yes); chain-hostnames(no); use-dns(no); dns-cache(no); };
source udp { syslog(ip(127.0.0.2) port(${given.udp}) transport("udp")); };
source tcp { syslog(ip(127.0.0.1) port(${given.tcp}) transport("tcp")); };
source lines { network(ip(127.0.0.1) port(${given.lines}) transport("tcp") flags(syslog-protocol)); };
${tls ?? ''}
destination kept {
  file("${lines}" template("$(format-json ${template} --key .SDATA.*)\\n") frac-digits(3) time-zone("UTC") flush-lines(1));
};
log { source(udp); source(tcp); source(lines); ${tls ? 'source(tls); ' : ''}destination(kept); };
`);

const switches = ['-F', '--no-caps', '-e', '-f', file, '-R', join(folder, 'persist'), '-p', join(folder, 'pid'), '-c', join(folder, 'ctl')];
const child = program(join(unpacked, 'usr', 'sbin', 'syslog-ng'), [...switches, `--module-path=${join(own, version)}`], {
  env: { PATH: process.env.PATH, LD_LIBRARY_PATH: libraries.join(':') },
  stdio: ['ignore', 'inherit', 'inherit'],
}, 'SIGKILL');

const listens = (table, host, port) => readFileSync(`/proc/net/${table}`, 'utf8').includes(`${host}:${Number(port).toString(16).toUpperCase().padStart(4, '0')} 00000000:0000`);
const until = Date.now() + 60_000;
while (!(listens('udp', '0200007F', given.udp) && [given.tcp, given.lines, given.tls].filter(Boolean).every((port) => listens('tcp', '0100007F', port)))) {
  if (child.exitCode !== null || Date.now() > until) throw new Error('syslog-ng did not come up');
  await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Each line that is whole; one may be under way. */
function understood() {
  if (!existsSync(lines)) return [];
  return readFileSync(lines, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line));
}

const controlPort = await control({ 'GET /messages': () => understood() });
stopWhenAsked();
tell({ udp: Number(given.udp), tcp: Number(given.tcp), lines: Number(given.lines), tls: given.tls && Number(given.tls), control: controlPort });
