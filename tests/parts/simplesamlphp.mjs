// SimpleSAMLphp as an identity provider, on PHP's own web server.
//   node simplesamlphp.mjs --port N --services JSON|@FILE [--people JSON|@FILE] [--signed-requests]
// A service: { entity_id, acs, slo?, slo_post?, certificate? (base64 of the DER), sign_response, sign_assertion, encrypt, encrypt_name, signed_requests, name_id }.
// The port is told because PHP's server does not say which one it took.
// The ready line: { port, control, entity_id, metadata, certificate, sign_out }. Control: POST /rotate-keys (the old one is gone);
// POST /read-name { request } → { name }: whom a logout request with an encrypted name is about.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { atStop, control, json, options, program, stopWhenAsked, tell, temporaryFolder } from './part.mjs';

const WWW = '/usr/share/simplesamlphp/www';
const PEOPLE = {
  ada: { mail: ['ada@acme.example'], displayName: ['Ada of Acme'], uid: ['ada'], groups: ['Engineering', 'Platform', 'Chess'] },
  bob: { mail: ['bob@acme.example'], displayName: ['Bob of Acme'], uid: ['bob'], groups: ['Chess'] },
};
const FORMATS = {
  persistent: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
  email: 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
  transient: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient',
};
const POST = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST';
const REDIRECT = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect';

const given = options({ port: { type: 'string' }, services: { type: 'string' }, people: { type: 'string' }, 'signed-requests': { type: 'boolean' } });
const services = json(given.services);
const people = given.people ? json(given.people) : PEOPLE;

/** A value as PHP writes it. */
function php(value) {
  if (Array.isArray(value)) return `[${value.map(php).join(', ')}]`;
  if (value && typeof value === 'object') {
    return `[${Object.entries(value).map(([key, item]) => `${php(key)} => ${php(item)}`).join(', ')}]`;
  }
  if (typeof value === 'string') return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  return String(value);
}

const folder = temporaryFolder('simplesamlphp');
const inside = (name) => join(folder, name);
for (const name of ['metadata', 'cert', 'log', 'data', 'tmp', 'sessions']) mkdirSync(inside(name));
const port = Number(given.port);
const base = `http://127.0.0.1:${port}/`;

function newKey() {
  const made = spawnSync('openssl', [
    'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=idp.example',
    '-keyout', inside('cert/idp.key'), '-out', inside('cert/idp.crt'),
  ]);
  if (made.status !== 0) throw new Error(`openssl: ${made.stderr}`);
}
newKey();

writeFileSync(inside('config.php'), `<?php $config = ${php({
  baseurlpath: base,
  certdir: `${inside('cert')}/`,
  loggingdir: `${inside('log')}/`,
  datadir: `${inside('data')}/`,
  tempdir: inside('tmp'),
  metadatadir: `${inside('metadata')}/`,
  'logging.handler': 'file',
  'logging.level': 7,
  timezone: 'UTC',
  secretsalt: 'a-salt-for-tests-alone',
  'auth.adminpassword': 'a-password-for-tests-alone',
  'enable.saml20-idp': true,
  'module.enable': { exampleauth: true, core: true, saml: true },
  'session.cookie.secure': false,
  'session.cookie.samesite': null,
  'session.phpsession.cookiename': 'SimpleSAML',
  'session.phpsession.savepath': inside('sessions'),
  'session.phpsession.httponly': true,
  'store.type': 'phpsession',
  'metadata.sources': [{ type: 'flatfile' }],
  'trusted.url.domains': null,
  'language.available': ['en'],
  'language.default': 'en',
})};\n`);

const accounts = Object.fromEntries(Object.entries(people).map(([name, attributes]) => [`${name}:pw`, attributes]));
writeFileSync(inside('authsources.php'), `<?php $config = ['admin' => ['core:AdminPassword'], 'people' => array_merge(['exampleauth:UserPass'], ${php(accounts)})];\n`);
writeFileSync(inside('metadata/saml20-idp-hosted.php'), `<?php $metadata['__DYNAMIC:1__'] = ${php({
  host: '__DEFAULT__',
  privatekey: 'idp.key',
  certificate: 'idp.crt',
  auth: 'people',
  'redirect.sign': true,
  ...(given['signed-requests'] && { 'redirect.validate': true }),
  'sign.logout': true,
  'validate.logout': true,
})};\n`);

const remote = services.map((service) => {
  const endpoint = (Binding, Location) => ({ Binding, Location });
  const metadata = {
    AssertionConsumerService: [{ ...endpoint(POST, service.acs), index: 0 }],
    SingleLogoutService: service.slo ? [endpoint(service.slo_post ? POST : REDIRECT, service.slo)] : [],
    'saml20.sign.response': service.sign_response ?? true,
    'saml20.sign.assertion': service.sign_assertion ?? false,
    'assertion.encryption': service.encrypt ?? false,
    'nameid.encryption': service.encrypt_name ?? false,
    'validate.authnrequest': service.signed_requests ?? false,
    'redirect.validate': service.signed_requests ?? Boolean(service.certificate),
    NameIDFormat: FORMATS[service.name_id ?? 'email'],
    'simplesaml.nameidattribute': service.name_id === 'persistent' ? 'uid' : 'mail',
  };
  if (service.certificate) metadata.certData = service.certificate;
  return `$metadata[${php(service.entity_id)}] = ${php(metadata)};\n`;
});
writeFileSync(inside('metadata/saml20-sp-remote.php'), `<?php\n${remote.join('')}`);

const server = program('php', ['-d', `sys_temp_dir=${inside('tmp')}`, '-S', `127.0.0.1:${port}`, '-t', WWW], {
  env: { ...process.env, SIMPLESAMLPHP_CONFIG_DIR: folder, PHP_CLI_SERVER_WORKERS: '4' },
  stdio: ['ignore', 'ignore', 'pipe'],
  // Its workers are its children, and end with their group.
  detached: true,
});
let said = '';
server.stderr.on('data', (chunk) => { said = (said + chunk).slice(-20000); });
atStop(async () => {
  try { process.kill(-server.pid, 'SIGTERM'); } catch { /* it has ended */ }
  if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
});
stopWhenAsked();

const metadata = `${base}saml2/idp/metadata.php`;
const until = Date.now() + 60_000;
for (;;) {
  const answer = await fetch(metadata).catch(() => undefined);
  if (answer?.ok) break;
  if (Date.now() > until) {
    console.error(`no metadata: ${answer?.status} ${await answer?.text()}\n${said}\n${readLog()}`);
    process.exit(1);
  }
  await sleep(50);
}
/** By the library that the provider reads its messages with, and the provider's own key. */
function readName({ request }) {
  const script = `require '/usr/share/simplesamlphp/lib/_autoload.php';
    $document = SAML2\\DOMDocumentFactory::fromString(stream_get_contents(STDIN));
    $message = SAML2\\Message::fromXML($document->documentElement);
    $key = new RobRichards\\XMLSecLibs\\XMLSecurityKey(RobRichards\\XMLSecLibs\\XMLSecurityKey::RSA_OAEP_MGF1P, ['type' => 'private']);
    $key->loadKey($argv[1], true);
    $message->decryptNameId($key);
    echo $message->getNameId()->getValue();`;
  const read = spawnSync('php', ['-r', script, inside('cert/idp.key')], {
    input: request, encoding: 'utf8', env: { ...process.env, SIMPLESAMLPHP_CONFIG_DIR: folder },
  });
  if (read.status !== 0) throw new Error(`php: ${read.stdout}${read.stderr}`);
  return { name: read.stdout };
}
function readLog() {
  try { return readFileSync(inside('log/simplesamlphp.log'), 'utf8'); } catch { return ''; }
}
const certificate = readFileSync(inside('cert/idp.crt'), 'utf8').replace(/-----[^-]+-----|\s/g, '');
// PHP reads its files at each request.
const controlPort = await control({ 'POST /rotate-keys': newKey, 'POST /read-name': readName });
tell({ port, control: controlPort, entity_id: metadata, metadata, certificate, sign_out: `${base}saml2/idp/SingleLogoutService.php` });
