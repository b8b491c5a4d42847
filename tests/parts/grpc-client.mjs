// A real gRPC client. Prints each event of one call as a JSON line; the last is the status with its trailers.
// usage: grpc-client.mjs say TEXT | count N | collect TEXT... | hold TEXT | chat TEXT... | fail CODE DETAILS
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { readFileSync } from 'node:fs';
import { json, options, tell } from './part.mjs';

const given = options({
  target: { type: 'string' },
  ca: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
  name: { type: 'string' },
  metadata: { type: 'string', default: '{}' },
  every: { type: 'string', default: '1' },
  bytes: { type: 'string', default: '0' },
  stop: { type: 'string' },
  deadline: { type: 'string', default: '20000' },
}, true);

const { door } = grpc.loadPackageDefinition(loader.loadSync(new URL('door.proto', import.meta.url).pathname, { keepCase: true, defaults: true }));
const read = (path) => path && readFileSync(path);
const credentials = given.ca
  ? grpc.credentials.createSsl(read(given.ca), read(given.key) ?? null, read(given.cert) ?? null)
  : grpc.credentials.createInsecure();
const channel = given.name
  ? { 'grpc.ssl_target_name_override': given.name.replace(/:\d+$/, ''), 'grpc.default_authority': given.name }
  : {};
const client = new door.Door(given.target, credentials, channel);
const metadata = new grpc.Metadata();
for (const [name, value] of Object.entries(json(given.metadata))) metadata.set(name, value);
const deadline = { deadline: Date.now() + Number(given.deadline) };

const plain = (map) => Object.fromEntries(Object.entries(map.getMap()).map(([name, value]) => [name, String(value)]));
let messages = 0;

function message(call, { text, metadata: seen }) {
  messages += 1;
  tell({ event: 'message', text: text.length > 1000 ? undefined : text, length: text.length, metadata: seen });
  if (messages === Number(given.stop)) call.cancel();
}

function follow(call) {
  call.on('metadata', (initial) => tell({ event: 'metadata', metadata: plain(initial) }));
  call.on('data', (line) => message(call, line));
  call.on('error', () => {}); // the status says it all
  call.on('status', finish);
}

function finish({ code, details, metadata: trailers }) {
  tell({ event: 'status', code, name: grpc.status[code], details, trailers: plain(trailers), messages });
  client.close();
  process.exitCode = code === 0 ? 0 : 1;
}

/** A call with one answer: the answer comes by callback, the rest by events. */
function single(name, ...request) {
  const call = client[name](...request, metadata, deadline, (error, line) => error || message(call, line));
  follow(call);
  return call;
}

function sendAll(call, texts) {
  for (const text of texts) call.write({ text });
  call.end();
}

const [kind, ...rest] = given.positionals;
const calls = {
  say: () => single('Say', { text: rest[0] ?? '' }),
  fail: () => single('Fail', { code: Number(rest[0]), details: rest[1] ?? '' }),
  collect: () => sendAll(single('Collect'), rest),
  // A client's stream without end, to which nothing is answered as long as it goes on.
  hold: () => {
    const call = single('Collect');
    const timer = setInterval(() => call.write({ text: rest[0] ?? '' }, () => tell({ event: 'sent' })), Number(given.every));
    call.on('status', () => clearInterval(timer));
  },
  count: () => follow(client.Count({ n: Number(rest[0]), every_ms: Number(given.every), bytes: Number(given.bytes) }, metadata, deadline)),
  chat: () => {
    const call = client.Chat(metadata, deadline);
    follow(call);
    sendAll(call, rest);
  },
};
if (!given.target || !calls[kind]) {
  console.error(`usage: grpc-client.mjs --target HOST:PORT ${Object.keys(calls).join('|')} …`);
  process.exit(2);
}
calls[kind]();
