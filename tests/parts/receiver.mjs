// What the strict receivers of audit events share: a server that undoes gzip, remembers each request as it came and what was
// answered, and fails when it is told to. What a vendor's receiver takes or refuses is judged in the vendor's own part.
import http from 'node:http';
import https from 'node:https';
import { gunzipSync } from 'node:zlib';
import { bodyOf, control, listen } from './part.mjs';

const requests = [];
/** What the next requests to a path suffer, in order. */
const faults = [];
/** Events in the order in which they were taken for good. */
export const taken = [];

/** An answer in JSON. */
export function answer(status, value, headers = {}) {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(value) };
}

/** The body without its Content-Encoding, or undefined where it is not what it says. */
function decoded(headers, body) {
  const encoding = headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') return body;
  if (encoding !== 'gzip') return undefined;
  try { return gunzipSync(body); } catch { return undefined; }
}

function nextFault(path) {
  const at = faults.findIndex((fault) => path.startsWith(fault.path ?? '/'));
  if (at < 0) return undefined;
  const fault = faults[at];
  fault.times = (fault.times ?? 1) - 1;
  if (fault.times <= 0) faults.splice(at, 1);
  return fault;
}

async function judged(request, judge) {
  const url = new URL(request.url, 'http://receiver');
  const came = { method: request.method, path: url.pathname, query: Object.fromEntries(url.searchParams), headers: request.headers };
  const raw = await bodyOf(request);
  const body = decoded(request.headers, raw);
  const seen = { ...came, gzip: request.headers['content-encoding'] === 'gzip' && body !== undefined, size: raw.length, body: body?.toString('utf8') };
  const fault = nextFault(url.pathname);
  if (fault?.slow_ms) await new Promise((resolve) => setTimeout(resolve, fault.slow_ms));
  // A fault may come before the receiver has taken anything, or (`after`) when the sender can no longer be told that it did.
  const said = fault && !fault.after && (fault.status || fault.cut) ? { status: fault.status, headers: fault.headers, body: fault.body } : judge({ ...came, body });
  requests.push({ ...seen, status: said.status });
  return { said, fault };
}

/** Listens with `judge`, a function of a request that returns the answer; says the ports of the ready line. */
export async function receiver(judge, { port = 0, tls, routes = {} } = {}) {
  const handle = async (request, response) => {
    const { said, fault } = await judged(request, judge);
    if (fault?.cut) return request.socket.destroy();
    const { status, headers, body } = fault?.after ? fault : said;
    response.writeHead(status, headers ?? {}).end(body ?? '');
  };
  const server = tls ? https.createServer(tls, handle) : http.createServer(handle);
  const bound = await listen(server, port);
  const controlPort = await control({
    'GET /requests': () => requests,
    'DELETE /requests': () => void requests.splice(0),
    'GET /taken': () => taken,
    'DELETE /taken': () => void taken.splice(0),
    'GET /faults': () => faults,
    'POST /faults': (more) => void faults.push(...more),
    'DELETE /faults': () => void faults.splice(0),
    ...routes,
  });
  return { port: bound, url: `${tls ? 'https' : 'http'}://127.0.0.1:${bound}`, control: controlPort };
}
