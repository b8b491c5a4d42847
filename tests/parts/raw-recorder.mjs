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
const records = [];

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

const server = net.createServer((socket) => {
  const record = { connection: records.length + 1, text: '', answered: 0, closed: false };
  records.push(record);
  let answeredTo = 0;
  socket.on('data', (chunk) => {
    record.text += chunk.toString('latin1');
    for (let end; answeredTo < record.text.length && (end = endOfRequest(record.text, answeredTo)) >= 0; ) {
      answeredTo = end;
      record.answered += 1;
      if (given.close) socket.end(fixed);
      else socket.write(fixed);
    }
  });
  socket.on('error', (error) => (record.error = error.code));
  socket.on('close', () => (record.closed = true));
});

stopWhenAsked();
const controlPort = await control({
  'GET /connections': () => records,
  'DELETE /connections': () => void records.splice(0),
});
tell({ port: await listen(server, given.port), control: controlPort });
