// Mints JSON Web Tokens, good and forged, and verifies them independently (jose). Prints one JSON line.
import { createHmac, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  CompactSign, createLocalJWKSet, createRemoteJWKSet, exportJWK, exportSPKI, generateKeyPair, importJWK, jwtVerify,
} from 'jose';
import { json, options, tell } from './part.mjs';

const given = options({
  algs: { type: 'string', default: 'RS256,PS256,ES256,EdDSA' },
  issuer: { type: 'string', default: 'https://issuer.test' },
  audience: { type: 'string', default: 'api://app' },
  subject: { type: 'string', default: 'user-1' },
  claims: { type: 'string', default: '{}' },
  header: { type: 'string', default: '{}' },
  ttl: { type: 'string', default: '300' },
  keys: { type: 'string' },
  alg: { type: 'string' },
  token: { type: 'string' },
  jwks: { type: 'string' },
  typ: { type: 'string' },
}, true);

const now = Math.floor(Date.now() / 1000);
const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

async function newKey(alg, kid = `${alg.toLowerCase()}-${randomUUID().slice(0, 8)}`) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const facts = { kid, alg, use: 'sig' };
  return { private: { ...(await exportJWK(privateKey)), ...facts }, public: { ...(await exportJWK(publicKey)), ...facts }, publicKey };
}

/** Standard claims, then those given; a claim given as null is left out. */
function claims(extra = {}) {
  const all = {
    iss: given.issuer, aud: given.audience, sub: given.subject, iat: now, nbf: now, exp: now + Number(given.ttl),
    jti: randomUUID(), ...json(given.claims), ...extra,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
}

async function sign(jwk, payload, header = {}) {
  const protectedHeader = { alg: jwk.alg, kid: jwk.kid, typ: 'JWT', ...json(given.header), ...header };
  for (const [name, value] of Object.entries(protectedHeader)) if (value === null) delete protectedHeader[name];
  return new CompactSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader(protectedHeader)
    .sign(await importJWK(jwk, jwk.alg));
}

/** An HS256 token whose secret is text that an attacker knows: the classic confusion of key kinds. */
function hmac(secret, kid, payload) {
  const input = `${encode({ alg: 'HS256', typ: 'JWT', kid })}.${encode(payload)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

/** Forgeries and mistakes, all made from the first key. Each must be refused. */
async function forgeries(key) {
  const good = claims();
  const jwk = key.private;
  const token = await sign(jwk, good);
  const [head, payload, signature] = token.split('.');
  const stranger = await newKey(jwk.alg, jwk.kid);
  const unsigned = (alg) => `${encode({ alg, typ: 'JWT' })}.${payload}.`;
  const embedded = await sign(stranger.private, good, { jwk: stranger.public, kid: null });
  return {
    expired: await sign(jwk, claims({ iat: now - 7200, nbf: now - 7200, exp: now - 3600 })),
    not_yet_valid: await sign(jwk, claims({ nbf: now + 3600, exp: now + 7200 })),
    without_expiry: await sign(jwk, claims({ exp: null })),
    expiry_as_text: await sign(jwk, claims({ exp: String(now + 300) })),
    wrong_issuer: await sign(jwk, claims({ iss: 'https://evil.test' })),
    issuer_with_slash: await sign(jwk, claims({ iss: `${given.issuer}/` })),
    without_issuer: await sign(jwk, claims({ iss: null })),
    wrong_audience: await sign(jwk, claims({ aud: 'api://other' })),
    wrong_audience_list: await sign(jwk, claims({ aud: ['api://other', 'api://third'] })),
    audience_prefix: await sign(jwk, claims({ aud: `${given.audience}/more` })),
    without_audience: await sign(jwk, claims({ aud: null })),
    without_subject: await sign(jwk, claims({ sub: null })),
    unknown_kid: await sign(jwk, good, { kid: 'nobody' }),
    stranger_same_kid: await sign(stranger.private, good),
    embedded_jwk: embedded,
    remote_jku: await sign(stranger.private, good, { jku: 'http://127.0.0.1:1/jwks.json' }),
    critical_unknown: await critical(jwk, good),
    alg_none: unsigned('none'),
    alg_none_case: unsigned('nOnE'),
    alg_none_with_signature: `${unsigned('none')}${signature}`,
    hs256_public_pem: hmac(await exportSPKI(key.publicKey), jwk.kid, good),
    hs256_public_jwk: hmac(JSON.stringify(key.public), jwk.kid, good),
    hs256_empty_secret: hmac('', jwk.kid, good),
    altered_payload: `${head}.${encode({ ...good, sub: 'admin' })}.${signature}`,
    without_signature: `${head}.${payload}.`,
    short_signature: `${head}.${payload}.${signature.slice(0, 20)}`,
    padded: `${head}.${payload}.${signature}==`,
    two_parts: `${head}.${payload}`,
    four_parts: `${token}.${signature}`,
    not_json: `${encode('{')}.${payload}.${signature}`,
    payload_not_json: await raw(jwk, 'hello'),
    payload_list: await raw(jwk, '[]'),
  };
}

async function raw(jwk, text) {
  return new CompactSign(Buffer.from(text)).setProtectedHeader({ alg: jwk.alg, kid: jwk.kid }).sign(await importJWK(jwk, jwk.alg));
}

async function critical(jwk, payload) {
  return new CompactSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader({ alg: jwk.alg, kid: jwk.kid, crit: ['urn:doorward:unknown'], 'urn:doorward:unknown': true })
    .sign(await importJWK(jwk, jwk.alg), { crit: { 'urn:doorward:unknown': true } });
}

const commands = {
  /** New keys, a good token for each, and every forgery. */
  async set() {
    const keys = await Promise.all(given.algs.split(',').map((alg) => newKey(alg)));
    const good = {};
    for (const key of keys) good[key.private.alg] = await sign(key.private, claims());
    tell({
      jwks: { keys: keys.map((key) => key.public) },
      private: { keys: keys.map((key) => key.private) },
      pem: Object.fromEntries(await Promise.all(keys.map(async (key) => [key.private.alg, await exportSPKI(key.publicKey)]))),
      good,
      bad: await forgeries(keys[0]),
    });
  },
  /** One token with a key of a private key set (`--keys`), by default its first. */
  async sign() {
    const { keys } = json(given.keys);
    const jwk = keys.find((key) => !given.alg || key.alg === given.alg);
    if (!jwk) throw new Error(`no key for ${given.alg}`);
    tell({ token: await sign(jwk, claims(), given.typ ? { typ: given.typ } : {}) });
  },
  /** Verifies `--token` against `--jwks` (URL, JSON or @FILE); issuer and audience as given. */
  async verify() {
    const set = /^https?:/.test(given.jwks) ? createRemoteJWKSet(new URL(given.jwks)) : createLocalJWKSet(json(given.jwks));
    const token = given.token.startsWith('@') ? readFileSync(given.token.slice(1), 'utf8').trim() : given.token;
    try {
      const { payload, protectedHeader } = await jwtVerify(token, set, { issuer: given.issuer, audience: given.audience, typ: given.typ });
      tell({ ok: true, header: protectedHeader, payload });
    } catch (error) {
      tell({ ok: false, code: error.code, claim: error.claim, error: error.message });
      process.exitCode = 1;
    }
  },
};

const command = commands[given.positionals[0]];
if (!command) {
  console.error(`usage: mint.mjs ${Object.keys(commands).join('|')} [options]`);
  process.exit(2);
}
await command();
