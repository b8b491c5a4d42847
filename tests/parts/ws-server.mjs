// A real WebSocket server: says first which request it got, then echoes; can push, close, and reports how each ended.
import http from 'node:http';
import https from 'node:https';
import { WebSocketServer } from 'ws';
import { atStop, listen, options, pairs, stopWhenAsked, tell, tlsFiles } from './part.mjs';

const given = options({
  port: { type: 'string', default: '0' },
  cert: { type: 'string' },
  key: { type: 'string' },
});

const tls = tlsFiles(given);
const server = tls ? https.createServer(tls) : http.createServer();
const sockets = new WebSocketServer({ server, handleProtocols: (offered) => [...offered][0] });
let connections = 0;

/** `close 4001 reason` closes with that code, anything else comes back as it was. */
function answer(socket, data, isBinary) {
  const [word, code, ...reason] = isBinary ? [] : data.toString().split(' ');
  if (word === 'close' && code) socket.close(Number(code), reason.join(' '));
  else socket.send(data, { binary: isBinary });
}

sockets.on('connection', (socket, request) => {
  const connection = (connections += 1);
  const every = Number(new URL(request.url, 'ws://door').searchParams.get('push') ?? 0);
  let pushed = 0;
  socket.send(JSON.stringify({ url: request.url, raw_headers: pairs(request.rawHeaders), protocol: socket.protocol }));
  const timer = every && setInterval(() => socket.send(`push ${(pushed += 1)}`), every);
  socket.on('message', (data, isBinary) => answer(socket, data, isBinary));
  socket.on('error', (error) => tell({ event: 'error', connection, error: error.message }));
  socket.on('close', (code, reason) => {
    clearInterval(timer);
    tell({ event: 'closed', connection, code, reason: reason.toString() });
  });
});

stopWhenAsked();
atStop(() => sockets.clients.forEach((socket) => socket.terminate()));
tell({ port: await listen(server, given.port) });
