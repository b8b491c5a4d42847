// GitHub's sign-in for applications, as far as its documentation says what it answers: GitHub itself cannot be had for a test.
// Whoever is named with `--user` is signed in without being asked. PKCE is checked, as GitHub does; an error of the token endpoint has
// the status of a success, and its answer is a form unless JSON is asked for.
import { createHash, randomUUID } from 'node:crypto';
import http from 'node:http';
import { bodyOf, control, json, listen, options, stopWhenAsked, tell } from './part.mjs';

const given = options({
  client: { type: 'string', default: 'doorward' },
  secret: { type: 'string', default: 'a-secret-of-some-length' },
  user: { type: 'string', default: '{}' },
  emails: { type: 'string', default: '[]' },
});

let user = json(given.user);
let emails = json(given.emails);
const codes = new Map();
const tokens = new Set();
const faults = new Map();
const requests = [];

function authorize(query, response) {
  const back = new URL(query.get('redirect_uri'));
  const code = randomUUID();
  codes.set(code, Object.fromEntries(query));
  back.searchParams.set('code', code);
  back.searchParams.set('state', query.get('state'));
  response.writeHead(302, { location: back.href }).end();
}

function refusal(form) {
  const asked = codes.get(form.get('code'));
  codes.delete(form.get('code'));
  if (form.get('client_id') !== given.client || form.get('client_secret') !== given.secret) return 'incorrect_client_credentials';
  if (!asked) return 'bad_verification_code';
  if (form.get('redirect_uri') !== asked.redirect_uri) return 'redirect_uri_mismatch';
  const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url');
  if (asked.code_challenge_method !== 'S256' || asked.code_challenge !== challenge) return 'bad_verification_code';
  return undefined;
}

async function exchange(request, response) {
  const form = new URLSearchParams((await bodyOf(request)).toString());
  const error = refusal(form);
  const token = `gho_${randomUUID().replaceAll('-', '')}`;
  if (!error) tokens.add(token);
  const answer = error ? { error, error_description: 'it was refused' } : { access_token: token, token_type: 'bearer', scope: 'read:user,user:email' };
  const asJson = request.headers.accept?.includes('application/json');
  response.writeHead(200, { 'content-type': asJson ? 'application/json' : 'application/x-www-form-urlencoded' });
  response.end(asJson ? JSON.stringify(answer) : new URLSearchParams(answer).toString());
}

function api(request, response, value) {
  const known = tokens.has(request.headers.authorization?.replace(/^Bearer /, ''));
  const status = !request.headers['user-agent'] ? 403 : known ? 200 : 401;
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(status === 200 ? value : { message: status === 401 ? 'Bad credentials' : 'Request forbidden by administrative rules' }));
}

async function handle(request, response) {
  const url = new URL(request.url, 'http://github');
  requests.push({ method: request.method, url: request.url });
  const fault = faults.get(url.pathname);
  if (fault === 'hang') return undefined;
  if (fault !== undefined) return response.writeHead(fault).end();
  if (url.pathname === '/login/oauth/authorize') return authorize(url.searchParams, response);
  if (url.pathname === '/login/oauth/access_token' && request.method === 'POST') return exchange(request, response);
  if (url.pathname === '/user') return api(request, response, user);
  if (url.pathname === '/user/emails') return api(request, response, emails);
  return response.writeHead(404).end();
}

const port = await listen(http.createServer(handle));
stopWhenAsked();
const controlPort = await control({
  'GET /requests': () => requests,
  'POST /user': (next) => void (user = next),
  'POST /emails': (next) => void (emails = next),
  'POST /faults': (changes) => {
    for (const [path, fault] of Object.entries(changes)) fault === null ? faults.delete(path) : faults.set(path, fault);
  },
});
tell({ port, url: `http://127.0.0.1:${port}`, control: controlPort });
