// Azure Monitor's Logs Ingestion API and the token endpoint of Microsoft Entra ID, as strict as their documentation says they are: they
// themselves cannot be had for a test. Stricter in one thing: a row without `TimeGenerated`, or with a column that the stream does
// not declare, is refused where the real one would fill in or drop it without a word.
import { randomUUID } from 'node:crypto';
import { json, options, stopWhenAsked, tell, tlsFiles } from './part.mjs';
import { answer, receiver, taken } from './receiver.mjs';

const given = options({
  tenant: { type: 'string', default: '72f988bf-86f1-41af-91ab-2d7cd011db47' },
  client: { type: 'string', default: '7d3cba62-0b24-4b8e-9b6e-0f2f5a1b6c5d' },
  secret: { type: 'string', default: 'a~secret.of-some-length' },
  assertion: { type: 'string' },
  rule: { type: 'string', default: 'dcr-0123456789abcdef0123456789abcdef' },
  stream: { type: 'string', default: 'Custom-Doorward_CL' },
  columns: { type: 'string' },
  'token-ttl': { type: 'string', default: '3599' },
  port: { type: 'string', default: '0' },
  cert: { type: 'string' },
  key: { type: 'string' },
});

const SCOPE = 'https://monitor.azure.com/.default';
const BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const MOST_BYTES = 1024 * 1024;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const columns = given.columns && json(given.columns);
/** Token → when it ends. */
const tokens = new Map();
const counts = { tokens: 0 };

function denied(status, error, error_description) {
  return answer(status, { error, error_description, error_codes: [Number(/\d+/.exec(error_description)[0])] });
}

function proven(form) {
  if (given.assertion === undefined) return form.get('client_secret') === given.secret;
  return form.get('client_assertion_type') === BEARER && form.get('client_assertion') === given.assertion && !form.has('client_secret');
}

function token({ method, path, headers, body }) {
  if (method !== 'POST') return denied(405, 'invalid_request', 'AADSTS900561: The endpoint only accepts POST requests.');
  if (!path.startsWith(`/${given.tenant}/`)) return denied(400, 'invalid_request', 'AADSTS90002: Tenant not found.');
  if (!/^application\/x-www-form-urlencoded\b/.test(headers['content-type'] ?? '')) return denied(400, 'invalid_request', 'AADSTS900144: The request body must contain a form.');
  const form = new URLSearchParams(body.toString('utf8'));
  if (form.get('grant_type') !== 'client_credentials') return denied(400, 'unsupported_grant_type', 'AADSTS70003: The app requested an unsupported grant type.');
  if (form.get('client_id') !== given.client) return denied(400, 'unauthorized_client', 'AADSTS700016: Application was not found in the directory.');
  if (!proven(form)) return denied(401, 'invalid_client', 'AADSTS7000215: Invalid client secret provided.');
  if (form.get('scope') !== SCOPE) return denied(400, 'invalid_scope', 'AADSTS70011: The provided value for scope is not valid.');
  const made = `eyJ0eXAiOiJKV1QifQ.${randomUUID()}`;
  const ttl = Number(given['token-ttl']);
  tokens.set(made, Date.now() + ttl * 1000);
  counts.tokens += 1;
  return answer(200, { token_type: 'Bearer', expires_in: ttl, ext_expires_in: ttl, access_token: made });
}

/** What the vendor's own client asks for before it asks for a token. */
function discovery() {
  const base = `${ready.url}/${given.tenant}`;
  return answer(200, { issuer: `${base}/v2.0`, authorization_endpoint: `${base}/oauth2/v2.0/authorize`, token_endpoint: `${base}/oauth2/v2.0/token` });
}

function refused(status, code, message, headers) {
  return answer(status, { error: { code, message } }, { 'x-ms-error-code': code, ...headers });
}

function row(value) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return 'a row is not an object';
  if (typeof value.TimeGenerated !== 'string' || !TIME.test(value.TimeGenerated)) return 'TimeGenerated is missing or no date';
  return columns && Object.keys(value).some((name) => !columns.includes(name)) ? 'a column is not declared' : undefined;
}

function ingest({ method, path, query, headers, body }) {
  const known = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
  if (!((tokens.get(known) ?? 0) > Date.now())) return refused(401, 'AuthenticationFailed', 'The access token is missing, unknown or expired.');
  const [, rule, stream] = /^\/dataCollectionRules\/([^/]+)\/streams\/([^/]+)$/.exec(path) ?? [];
  if (method !== 'POST' || !rule) return refused(404, 'ResourceNotFound', 'There is nothing at this address.');
  if (query['api-version'] !== '2023-01-01') return refused(400, 'UnsupportedApiVersion', 'The api-version is missing or not supported.');
  if (rule !== given.rule) return refused(404, 'NotFound', `Data collection rule with immutable Id '${rule}' not found.`);
  if (stream !== given.stream) return refused(400, 'InvalidStream', `Data collection rule with immutable Id '${rule}' does not have a stream named '${stream}'.`);
  if (!/^application\/json\b/.test(headers['content-type'] ?? '')) return refused(415, 'UnsupportedMediaType', 'The Content-Type is not application/json.');
  if (body === undefined) return refused(400, 'InvalidPayload', 'The body is not in the encoding it says.');
  if (body.length > MOST_BYTES) return refused(413, 'ContentLengthLimitExceeded', 'Maximum allowed content length: 1048576 bytes (1 MB).');
  let rows;
  try { rows = JSON.parse(body); } catch { return refused(400, 'InvalidPayload', 'The body is not JSON.'); }
  if (!Array.isArray(rows)) return refused(400, 'InvalidPayload', 'The body is not an array.');
  const flaw = rows.map(row).find((found) => found);
  if (flaw) return refused(400, 'InvalidPayload', flaw);
  taken.push(...rows);
  return { status: 204 };
}

function judge(request) {
  if (request.path.endsWith('/v2.0/.well-known/openid-configuration')) return discovery();
  return request.path.endsWith('/oauth2/v2.0/token') ? token(request) : ingest(request);
}

const ready = await receiver(judge, {
  port: given.port,
  tls: tlsFiles(given),
  routes: { 'POST /forget-tokens': () => void tokens.clear(), 'GET /counts': () => counts },
});
stopWhenAsked();
tell({ ...ready, tenant: given.tenant, client: given.client, secret: given.secret, rule: given.rule, stream: given.stream });
