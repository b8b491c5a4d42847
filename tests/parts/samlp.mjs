// samlp (Auth0's, on xml-crypto and xml-encryption) as an identity provider that signs everybody in as one person, without asking.
//   node samlp.mjs --service JSON|@FILE
// The service: { entity_id, acs, certificate? (PEM: encrypts for it), algorithm? (URI), signing? (PEM: requests have to be signed with it), sign_response?, sign_assertion?, user? }.
// Takes requests by redirect and by POST at /sso, and begins by itself at /begin?relay=STATE.
// The ready line: { port, control, entity_id, sso, certificate (PEM) }. Control: POST /service (changes it), GET /requests.
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import samlp from 'samlp';
import { bodyOf, control, json, listen, options, stopWhenAsked, tell, temporaryFolder } from './part.mjs';

const given = options({ service: { type: 'string' } });
let service = json(given.service);
const requests = [];

function newKey() {
  const folder = temporaryFolder('samlp');
  const made = spawnSync('openssl', [
    'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=samlp.example',
    '-keyout', join(folder, 'key'), '-out', join(folder, 'cert'),
  ]);
  if (made.status !== 0) throw new Error(`openssl: ${made.stderr}`);
  return { key: readFileSync(join(folder, 'key')), cert: readFileSync(join(folder, 'cert')) };
}
const own = newKey();

const user = () => service.user ?? {
  id: 'ada',
  displayName: 'Ada of Acme',
  name: { givenName: 'Ada', familyName: 'Acme' },
  emails: [{ value: 'ada@acme.example' }],
};

function settings(inResponseTo) {
  const certificate = service.certificate && new X509Certificate(service.certificate);
  return {
    issuer: 'urn:samlp.example',
    ...own,
    audience: service.entity_id,
    recipient: service.acs,
    destination: service.acs,
    inResponseTo,
    signResponse: service.sign_response ?? false,
    signAssertion: service.sign_assertion ?? true,
    signatureAlgorithm: 'rsa-sha256',
    digestAlgorithm: 'sha256',
    lifetimeInSeconds: 300,
    sessionIndex: '_samlp-session',
    nameIdentifierFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    authnContextClassRef: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport',
    ...(certificate && {
      encryptionCert: service.certificate,
      encryptionPublicKey: certificate.publicKey.export({ type: 'spki', format: 'pem' }),
      encryptionAlgorithm: service.algorithm,
      disallowEncryptionWithInsecureAlgorithm: false,
    }),
  };
}

const respond = (inResponseTo) => new Promise((resolve, reject) => {
  samlp.getSamlResponse(settings(inResponseTo), user(), (error, text) => (error ? reject(error) : resolve(text)));
});
const parse = (request) => new Promise((resolve, reject) => {
  samlp.parseRequest(request, { signingCert: service.signing }, (error, parsed) => (error ? reject(error) : resolve(parsed)));
});

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;');
function form(text, relay) {
  const field = (name, value) => `<input type="hidden" name="${name}" value="${escape(value)}"/>`;
  const relayed = relay ? field('RelayState', relay) : '';
  const response = field('SAMLResponse', Buffer.from(text).toString('base64'));
  return `<html><body><form method="post" action="${escape(service.acs)}">${response}${relayed}<button>Go</button></form></body></html>`;
}

const server = createServer(async (request, response) => {
  try {
    const url = new URL(request.url, 'http://127.0.0.1');
    request.query = Object.fromEntries(url.searchParams);
    request.body = Object.fromEntries(new URLSearchParams((await bodyOf(request)).toString()));
    let inResponseTo;
    if (url.pathname === '/sso') {
      const parsed = await parse(request);
      inResponseTo = parsed.id;
      requests.push({ method: request.method, ...parsed, query: request.query, form: request.body });
    } else if (url.pathname !== '/begin') {
      response.writeHead(404).end();
      return;
    }
    const relay = url.pathname === '/begin' ? request.query.relay : (request.query.RelayState ?? request.body.RelayState);
    response.writeHead(200, { 'content-type': 'text/html' }).end(form(await respond(inResponseTo), relay));
  } catch (error) {
    response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error.stack ?? error));
  }
});
const port = await listen(server);
const controlPort = await control({
  'POST /service': (changed) => { service = { ...service, ...changed }; },
  'GET /requests': () => requests,
});
stopWhenAsked();
tell({ port, control: controlPort, entity_id: 'urn:samlp.example', sso: `http://127.0.0.1:${port}/sso`, certificate: own.cert.toString() });
