// An upstream application that answers with exactly what its HTTP parser saw.
// The last path segment chooses the behaviour (README.md), so every behaviour works below any prefix.
import { createHash } from 'node:crypto';
import { existsSync, unlinkSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { atStop, control, listen, options, pairs, stopWhenAsked, tell, tlsFiles } from './part.mjs';

const given = options({
  port: { type: 'string', default: '0' },
  name: { type: 'string', default: 'echo' },
  cert: { type: 'string' },
  key: { type: 'string' },
  'client-ca': { type: 'string' },
  h2: { type: 'boolean', default: false },
  h2c: { type: 'boolean', default: false },
  unix: { type: 'string' },
});

const MAX_HEAD_BYTES = 1 << 20;
const seen = [];
let health = 200;
let connections = 0;

/** Reads the body without keeping it: bodies of any size in constant memory. */
async function digest(request) {
  const hash = createHash('sha256');
  let length = 0;
  for await (const chunk of request) {
    hash.update(chunk);
    length += chunk.length;
  }
  return { length, sha256: hash.digest('hex') };
}

function head(request) {
  const socket = request.stream?.session?.socket ?? request.socket;
  const subject = socket.getPeerCertificate?.()?.subject;
  return {
    upstream: given.name,
    http_version: request.httpVersion,
    method: request.method,
    url: request.url,
    raw_headers: pairs(request.rawHeaders),
    connection: socket.doorNumber,
    client_certificate: subject ? { ...subject } : undefined,
  };
}

async function record(request) {
  const entry = head(request);
  seen.push(entry);
  entry.body = await digest(request);
  entry.trailers = pairs(request.rawTrailers);
  return entry;
}

function send(response, status, value, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

function events(response, every, count) {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  let sent = 0;
  const timer = setInterval(() => {
    response.write(`id: ${sent}\ndata: {"n":${sent}}\n\n`);
    sent += 1;
    if (sent === count) response.end();
  }, every);
  response.on('close', () => clearInterval(timer));
}

function* blocks(n) {
  const block = Buffer.alloc(64 * 1024, 'doorward ');
  for (let left = n; left > 0; left -= block.length) yield left < block.length ? block.subarray(0, left) : block;
}

/** Answers `n` bytes of a repeating pattern, never faster than the reader takes them. */
async function bytes(response, n) {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': n });
  await pipeline(Readable.from(blocks(n)), response);
}

/** Ends the exchange without finishing it: the connection on HTTP/1.1, the stream on HTTP/2. */
function drop({ stream, socket }) {
  if (stream) stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  else socket.destroy();
}

const behaviours = {
  sse: async (request, response, query) => {
    await record(request);
    events(response, Number(query.get('every') ?? 100), Number(query.get('count') ?? 0));
  },
  slow: async (request, response, query) => {
    const entry = await record(request);
    setTimeout(() => send(response, 200, entry), Number(query.get('ms') ?? 1000));
  },
  bytes: async (request, response, query) => {
    await record(request);
    await bytes(response, Number(query.get('n') ?? 1024));
  },
  early: (request, response, query) => {
    seen.push(head(request));
    send(response, Number(query.get('status') ?? 413), { early: true });
  },
  trailers: async (request, response) => {
    const entry = await record(request);
    response.writeHead(200, { 'content-type': 'application/json', trailer: 'x-echo-trailer' });
    response.write(JSON.stringify(entry));
    response.addTrailers({ 'x-echo-trailer': entry.body.sha256 });
    response.end();
  },
  status: async (request, response, query) => {
    send(response, Number(query.get('code') ?? 200), await record(request));
  },
  headers: async (request, response, query) => {
    const entry = await record(request);
    for (const name of new Set(query.keys())) response.setHeader(name, query.getAll(name));
    send(response, 200, entry);
  },
  cut: async (request, response) => {
    await record(request);
    response.writeHead(200, { 'content-length': 1000 });
    response.write('half');
    setTimeout(() => drop(request), 50);
  },
  reset: (request) => {
    seen.push(head(request));
    drop(request);
  },
  hang: (request) => {
    seen.push(head(request));
    request.resume();
  },
  health: (request, response) => send(response, health, { upstream: given.name, health }),
};

async function answer(request, response) {
  const [path, query = ''] = request.url.split('?', 2);
  const behaviour = behaviours[path.slice(path.lastIndexOf('/') + 1)];
  try {
    if (behaviour) await behaviour(request, response, new URLSearchParams(query));
    else send(response, 200, await record(request));
  } catch {
    response.destroy?.(); // the caller went away in the middle of its body
  }
}

function server() {
  const tls = tlsFiles(given);
  if (given.h2c) return http2.createServer(answer);
  if (tls && given.h2) return http2.createSecureServer({ ...tls, allowHTTP1: true }, answer);
  const limits = { maxHeaderSize: MAX_HEAD_BYTES, keepAliveTimeout: 60_000 };
  return tls ? https.createServer({ ...tls, ...limits }, answer) : http.createServer(limits, answer);
}

const upstream = server();
upstream.on(given.cert ? 'secureConnection' : 'connection', (socket) => {
  connections += 1;
  socket.doorNumber = connections;
});
stopWhenAsked();
const controlPort = await control({
  'GET /requests': () => seen,
  'DELETE /requests': () => void seen.splice(0),
  'GET /connections': () => ({ connections }),
  'POST /health': ({ status }) => void (health = status),
});
if (given.unix) {
  if (existsSync(given.unix)) unlinkSync(given.unix);
  atStop(() => unlinkSync(given.unix));
  await new Promise((go) => upstream.listen(given.unix, go));
  tell({ unix: given.unix, control: controlPort });
} else {
  tell({ port: await listen(upstream, given.port), control: controlPort });
}
