// A TCP upstream without an HTTP library: records the exact bytes of every connection and gives a fixed answer.
// It frames requests only to know when to answer; what it records is what arrived, also beyond the framing.
import net from 'node:net';
import { control, listen, options, stopWhenAsked, tell } from './part.mjs';

const given = options({
  port: { type: 'string', default: '0' },
  answer: { type: 'string', default: 'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok' },
  'answer-base64': { type: 'string' },
  close: { type: 'boolean', default: false },
});

const ESCAPES = { '\\r': '\r', '\\n': '\n', '\\t': '\t', '\\0': '\0' };
const fixed = given['answer-base64']
  ? Buffer.from(given['answer-base64'], 'base64')
  : Buffer.from(given.answer.replace(/\\[rnt0]/g, (found) => ESCAPES[found]), 'latin1');
const records = new Set();
let connections = 0;

/** Where the request starting at `from` ends, or -1 while it is incomplete. */
function endOfRequest(text, from) {
  const head = text.indexOf('\r\n\r\n', from);
  if (head < 0) return -1;
  const body = head + 4;
  const fields = text.slice(from, body);
  if (/^transfer-encoding[ \t]*:/im.test(fields)) return endOfChunks(text, body);
  const length = Number(/^content-length[ \t]*:[ \t]*(\d+)/im.exec(fields)?.[1] ?? 0);
  return text.length >= body + length ? body + length : -1;
}

function endOfChunks(text, from) {
  for (let at = from; ; ) {
    const line = text.indexOf('\r\n', at);
    if (line < 0) return -1;
    const size = Number.parseInt(text.slice(at, line), 16);
    if (!(size > 0)) {
      const end = text.indexOf('\r\n\r\n', line);
      return end < 0 ? -1 : end + 4;
    }
    at = line + 2 + size + 2;
  }
}

/** Offsets of the ends of all requests that are complete in `text` beyond `from`. */
function completed(text, from) {
  const ends = [];
  for (let end = from; end < text.length && (end = endOfRequest(text, end)) >= 0; ) ends.push(end);
  return ends;
}

const server = net.createServer((socket) => {
  connections += 1;
  const record = { connection: connections, text: '', answered: 0, closed: false };
  records.add(record);
  let pending = '';
  socket.on('data', (chunk) => {
    record.text += chunk.toString('latin1');
    pending += chunk.toString('latin1');
    const ends = completed(pending, 0);
    for (const _ of ends) given.close ? socket.end(fixed) : socket.write(fixed);
    record.answered += ends.length;
    pending = pending.slice(ends.at(-1) ?? 0);
  });
  socket.on('error', (error) => (record.error = error.code));
  socket.on('close', () => (record.closed = true));
});

/** Forgets closed connections; an open one starts again with nothing recorded. */
function forget() {
  for (const record of records) {
    if (record.closed) records.delete(record);
    else Object.assign(record, { text: '', answered: 0 });
  }
}

stopWhenAsked();
const controlPort = await control({
  'GET /connections': () => [...records],
  'DELETE /connections': forget,
});
tell({ port: await listen(server, given.port), control: controlPort });
