// A certified OpenID provider (npm oidc-provider) with a plain login form, for scripts and browsers.
// Everything is in memory. A control endpoint on a second port rotates keys, moves the clock, breaks endpoints
// and forges id_tokens, so that a relying party's refusals can be seen against an otherwise correct provider.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { CompactSign, exportJWK, generateKeyPair, importJWK } from 'jose';
import Provider, { interactionPolicy } from 'oidc-provider';
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js';
import { bodyOf, control, json, listen, options, stopWhenAsked, tell, tlsFiles } from './part.mjs';

const given = options({
  port: { type: 'string', default: '0' },
  host: { type: 'string', default: '127.0.0.1' },
  clients: { type: 'string', default: '[]' },
  users: { type: 'string', default: '[]' },
  scopes: { type: 'string', default: 'api:read api:write' },
  alg: { type: 'string', default: 'RS256' },
  'access-tokens': { type: 'string', default: 'jwt' },
  'token-ttl': { type: 'string', default: '3600' },
  'userinfo-only': { type: 'boolean', default: false },
  'refresh-by-consent': { type: 'boolean', default: false },
  par: { type: 'string', default: 'off' },
  cert: { type: 'string' },
  key: { type: 'string' },
  ca: { type: 'string' },
});

const ACR = ['urn:doorward:password', 'urn:doorward:mfa'];
const users = new Map();
const clients = json(given.clients).map(client);
const requests = [];
const faults = new Map();
let tamper;
let keys = await newKeys();
let skewSeconds = 0;

const systemNow = Date.now;
Date.now = () => systemNow() + skewSeconds * 1000;

/** Client metadata with what a web application needs filled in; a client without redirect URIs is a program. */
function client(metadata) {
  const web = metadata.redirect_uris?.length > 0;
  return {
    grant_types: web ? ['authorization_code', 'refresh_token', 'client_credentials'] : ['client_credentials'],
    response_types: web ? ['code'] : [],
    redirect_uris: [],
    id_token_signed_response_alg: given.alg,
    ...metadata,
  };
}

function addUsers(list) {
  for (const user of list) users.set(user.sub, user);
}

async function newKeys() {
  return Promise.all(['RS256', 'ES256', 'EdDSA'].map(async (alg) => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true });
    return { ...(await exportJWK(privateKey)), kid: `${alg.toLowerCase()}-${randomUUID().slice(0, 8)}`, use: 'sig', alg };
  }));
}

/** The account as the provider wants it: every member of the user but the password is a claim. */
function account(sub) {
  const user = users.get(sub);
  if (!user) return undefined;
  const { password, amr, acr, ...claims } = user;
  return { accountId: sub, claims: () => claims };
}

/** Consent is given without asking: a grant of all that was requested. */
async function grantAll(ctx) {
  const { oidc } = ctx;
  const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
  grant.addOIDCScope([...oidc.requestParamOIDCScopes, 'offline_access'].join(' '));
  grant.addOIDCClaims([...oidc.requestParamClaims]);
  for (const resource of Object.keys(oidc.resourceServers ?? {})) grant.addResourceScope(resource, given.scopes);
  await grant.save();
  return grant;
}

/** A request for an `acr_values` that the session does not have leads to the login form again (step-up). */
function policy() {
  const prompts = interactionPolicy.base();
  const wanted = (ctx) => ctx.oidc.params.acr_values?.split(' ') ?? [];
  prompts.get('login').checks.add(new interactionPolicy.Check('acr_wanted', 'a stronger sign-in was asked for', 'login_required', (ctx) => {
    const { session, result } = ctx.oidc;
    const satisfied = wanted(ctx).length === 0 || result?.login || wanted(ctx).includes(session.acr);
    return satisfied ? interactionPolicy.Check.NO_NEED_TO_PROMPT : interactionPolicy.Check.REQUEST_PROMPT;
  }));
  return prompts;
}

/** Our own fetch for back-channel calls: loopback is allowed and `--ca` is trusted, unlike the built-in one. */
function fetchLoopback(url, { method = 'GET', headers, body } = {}) {
  const target = new URL(url);
  const ca = given.ca && readFileSync(given.ca);
  const flat = Object.fromEntries(new Headers(headers));
  const text = body === undefined ? undefined : String(body);
  // Names of tests lead to this machine, as they do for curl and the browser.
  const lookup = target.hostname.endsWith('.test') ? (name, { all }, done) => (all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)) : undefined;
  if (text !== undefined) flat['content-length'] = Buffer.byteLength(text);
  return new Promise((resolve, reject) => {
    const make = target.protocol === 'https:' ? https.request : http.request;
    const request = make(target, { method, headers: flat, ca, lookup }, async (answer) => {
      const content = await bodyOf(answer);
      const empty = [204, 304].includes(answer.statusCode);
      resolve(new Response(empty ? null : content, { status: answer.statusCode, headers: answer.headers }));
    });
    request.on('error', reject).end(text);
  });
}

/** Shared by every provider started here, so that sessions outlive a rotation of the keys. */
class Memory extends MemoryAdapter {}

function configuration() {
  return {
    adapter: Memory,
    clients,
    jwks: { keys },
    cookies: { keys: ['a test provider keeps nothing secret'] },
    findAccount: (ctx, sub) => account(sub),
    loadExistingGrant: grantAll,
    issueRefreshToken: (ctx, client, code) => !given['refresh-by-consent'] || code.scopes.has('offline_access'),
    rotateRefreshToken: true,
    conformIdTokenClaims: given['userinfo-only'],
    acrValues: ACR,
    scopes: ['openid', 'offline_access', ...given.scopes.split(' ')],
    claims: {
      openid: ['sub', 'amr', 'acr', 'auth_time'],
      email: ['email', 'email_verified'],
      profile: ['name', 'given_name', 'family_name', 'preferred_username', 'locale', 'zoneinfo'],
      groups: ['groups', 'roles'],
    },
    extraTokenClaims: (ctx, token) => {
      const { email, groups, roles } = users.get(token.accountId) ?? {};
      return { email, groups, roles };
    },
    pkce: { required: () => true },
    fetch: fetchLoopback,
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}`, policy: policy() },
    ttl: { AccessToken: Number(given['token-ttl']), ClientCredentials: Number(given['token-ttl']), IdToken: 3600, RefreshToken: 86400, Session: 86400, Grant: 86400, Interaction: 3600 },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      pushedAuthorizationRequests: { enabled: given.par !== 'off', requirePushedAuthorizationRequests: given.par === 'required' },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      claimsParameter: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => false,
        getResourceServerInfo: (ctx, resource) => ({
          scope: given.scopes,
          audience: resource,
          accessTokenTTL: Number(given['token-ttl']),
          accessTokenFormat: given['access-tokens'],
          jwt: given['access-tokens'] === 'jwt' ? { sign: { alg: given.alg } } : undefined,
        }),
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => {
          ctx.body = page('Sign out', `${form}<button type="submit" form="op.logoutForm" name="logout" value="yes">Sign out</button>`);
        },
        postLogoutSuccessSource: (ctx) => {
          ctx.body = page('Signed out', '<p>You are signed out of the provider.</p>');
        },
      },
    },
    renderError: (ctx, out) => {
      ctx.type = 'html';
      ctx.body = page('Error', `<pre>${escape(JSON.stringify(out, null, 2))}</pre>`);
    },
  };
}

const escape = (text) => String(text).replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);

function page(title, body) {
  return `<!doctype html><html lang="en"><head><title>${escape(title)}</title></head><body><main><h1>${escape(title)}</h1>${body}</main></body></html>`;
}

function loginForm(uid, params, problem) {
  return page('Test provider: sign in', `${problem ? `<p role="alert">${escape(problem)}</p>` : ''}
<form method="post" action="/interaction/${uid}/login">
<label>User <input name="login" autocomplete="username" value="${escape(params.login_hint ?? '')}"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button type="submit">Sign in</button>
</form>
<a href="/interaction/${uid}/abort">Cancel</a>`);
}

function sendPage(response, status, html) {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
  response.end(html);
}

function personNamed(name, password) {
  return [...users.values()].find((user) => [user.sub, user.email, user.preferred_username].includes(name) && user.password === password);
}

/** What the sign-in proved: a step-up succeeds for everyone, and says so in `acr` and `amr`. */
function proof(user, asked) {
  const acr = asked ?? user.acr ?? ACR[0];
  return { acr, amr: acr === ACR[1] ? ['pwd', 'otp', 'mfa'] : user.amr ?? ['pwd'] };
}

async function interaction(request, response, uid, step) {
  const details = await provider.interactionDetails(request, response);
  const finish = (result) => provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  if (step === 'abort') return finish({ error: 'access_denied', error_description: 'the person cancelled' });
  if (details.prompt.name === 'consent') return finish({ consent: {} });
  if (step !== 'login') return sendPage(response, 200, loginForm(uid, details.params));
  const form = new URLSearchParams((await bodyOf(request)).toString());
  const user = personNamed(form.get('login'), form.get('password'));
  if (!user) return sendPage(response, 401, loginForm(uid, details.params, 'User or password is wrong.'));
  return finish({ login: { accountId: user.sub, remember: true, ...proof(user, details.params.acr_values?.split(' ')[0]) } });
}

/** Signs the id_token of a token answer again with altered claims or header, when the control endpoint asked for it. */
async function forge(ctx, next) {
  await next();
  if (!tamper || !ctx.body?.id_token) return;
  const parts = ctx.body.id_token.split('.');
  const decode = (text) => JSON.parse(Buffer.from(text, 'base64url'));
  const merge = (old, change) => Object.fromEntries(Object.entries({ ...old, ...change }).filter(([, value]) => value !== null));
  const header = merge(decode(parts[0]), tamper.header);
  const claims = merge(decode(parts[1]), tamper.claims);
  if (header.alg === 'none') {
    const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    ctx.body.id_token = `${encode(header)}.${encode(claims)}.`;
    return;
  }
  const jwk = tamper.stranger ? (await newKeys()).find(({ alg }) => alg === header.alg) : keys.find(({ alg }) => alg === header.alg);
  ctx.body.id_token = await new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader(header).sign(await importJWK(jwk, jwk.alg));
}

function start() {
  const fresh = new Provider(issuer, configuration());
  fresh.use(forge);
  for (const event of ['server_error', 'backchannel.error']) fresh.on(event, (...facts) => console.error(event, facts.find((fact) => fact instanceof Error)));
  callback = fresh.callback();
  return fresh;
}

/** Answers a fault: a status, `hang` for no answer at all, or `{status, body, delay}`. True when the request is done with. */
function faulty(path, response) {
  const fault = faults.get(path);
  if (fault === undefined) return false;
  if (fault?.status) {
    const answer = () => response.writeHead(fault.status, { 'content-type': 'application/json' }).end(JSON.stringify(fault.body));
    setTimeout(answer, fault.delay ?? 0);
    return true;
  }
  if (fault !== 'hang') response.writeHead(fault).end();
  return true;
}

/** What Microsoft Graph answers to whom the groups are too many for a token: the ids of all, for a good access token. */
async function members(request, response) {
  const token = await provider.AccessToken.find(request.headers.authorization?.replace(/^Bearer /, ''));
  const user = users.get(token?.accountId);
  const asked = JSON.parse((await bodyOf(request)).toString() || 'null');
  const status = request.method !== 'POST' || asked?.securityEnabledOnly !== false ? 400 : user ? 200 : 401;
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(status === 200 ? { value: user.graph_groups ?? [] } : { error: { code: 'InvalidAuthenticationToken' } }));
}

async function handle(request, response) {
  const path = request.url.split('?')[0];
  requests.push({ method: request.method, url: request.url, at: systemNow() });
  if (faulty(path, response)) return;
  if (path === '/graph/me/getMemberObjects') return members(request, response);
  const [, root, uid, step] = path.split('/');
  if (root !== 'interaction') return callback(request, response);
  try {
    await interaction(request, response, uid, step);
  } catch (error) {
    sendPage(response, 400, page('Error', `<pre>${escape(error.message)}</pre>`));
  }
}

addUsers(json(given.users));
const tls = tlsFiles(given);
const server = tls ? https.createServer(tls, handle) : http.createServer(handle);
const port = await listen(server, given.port);
const issuer = `${tls ? 'https' : 'http'}://${given.host}:${port}`;
let callback;
let provider = start();
stopWhenAsked();
const controlPort = await control({
  'GET /requests': () => requests,
  'DELETE /requests': () => void requests.splice(0),
  'POST /users': (list) => addUsers(list),
  'POST /clients': (list) => {
    clients.push(...list.map(client));
    provider = start();
  },
  'POST /rotate-keys': async ({ retain = false } = {}) => {
    keys = [...(await newKeys()), ...(retain ? keys : [])];
    provider = start();
    return { kids: keys.map(({ kid }) => kid) };
  },
  'POST /clock': ({ skew_seconds }) => void (skewSeconds = skew_seconds),
  'POST /faults': (changes) => {
    for (const [path, fault] of Object.entries(changes)) fault === null ? faults.delete(path) : faults.set(path, fault);
  },
  'POST /sign': async ({ header = {}, claims = {}, stranger = false }) => {
    const protectedHeader = { alg: given.alg, ...header };
    const jwk = (stranger ? await newKeys() : keys).find(({ alg }) => alg === protectedHeader.alg);
    if (!jwk) return { token: [protectedHeader, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).concat('').join('.') };
    const signed = new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader({ kid: keys.find(({ alg }) => alg === jwk.alg).kid, ...protectedHeader });
    return { token: await signed.sign(await importJWK(jwk, jwk.alg)) };
  },
  'POST /tamper': (change) => void (tamper = change && Object.keys(change).length ? change : undefined),
});
tell({ port, issuer, control: controlPort, kids: keys.map(({ kid }) => kid) });
