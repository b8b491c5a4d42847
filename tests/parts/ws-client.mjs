// A real WebSocket client. Prints the opening, every frame and the close as JSON lines.
// Where standard input is a pipe, each of its lines is sent: {"text":…}, {"base64":…}, {"ping":…} or {"close":4001,"reason":…}.
import { fstatSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import WebSocket from 'ws';
import { bodyOf, options, pairs, tell } from './part.mjs';

const given = options({
  ca: { type: 'string' },
  header: { type: 'string', multiple: true, default: [] },
  protocol: { type: 'string', multiple: true, default: [] },
  origin: { type: 'string' },
  send: { type: 'string', multiple: true, default: [] },
  frames: { type: 'string' },
  timeout: { type: 'string', default: '20000' },
}, true);

const headers = Object.fromEntries(given.header.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]));
const socket = new WebSocket(given.positionals[0], given.protocol, {
  headers, origin: given.origin, ca: given.ca && readFileSync(given.ca), maxPayload: 1 << 30,
});
let frames = 0;

function end(facts, status) {
  tell(facts);
  process.exit(status);
}

function send({ text, base64, ping, close, reason }) {
  if (close) socket.close(close, reason);
  else if (ping !== undefined) socket.ping(ping);
  else socket.send(base64 === undefined ? text : Buffer.from(base64, 'base64'));
}

setTimeout(() => end({ event: 'timeout', frames }, 3), Number(given.timeout)).unref();
socket.on('upgrade', (answer) => tell({ event: 'upgrade', status: answer.statusCode, raw_headers: pairs(answer.rawHeaders) }));
socket.on('open', () => {
  tell({ event: 'open', protocol: socket.protocol });
  for (const text of given.send) socket.send(text);
  const piped = fstatSync(0, { throwIfNoEntry: false });
  if (!piped?.isFIFO() && !piped?.isSocket()) return;
  createInterface({ input: process.stdin }).on('line', (line) => send(JSON.parse(line))).on('close', () => socket.close(1000));
});
socket.on('message', (data, isBinary) => {
  frames += 1;
  tell({ event: 'message', ...(isBinary ? { base64: data.toString('base64') } : { text: data.toString() }) });
  if (frames === Number(given.frames)) socket.close(1000);
});
socket.on('pong', (data) => tell({ event: 'pong', text: data.toString() }));
socket.on('unexpected-response', async (request, answer) => {
  const body = (await bodyOf(answer)).toString();
  end({ event: 'refused', status: answer.statusCode, raw_headers: pairs(answer.rawHeaders), body }, 1);
});
socket.on('error', (error) => tell({ event: 'error', error: error.message }));
socket.on('close', (code, reason) => end({ event: 'closed', code, reason: reason.toString(), frames }, code === 1006 ? 1 : 0));
