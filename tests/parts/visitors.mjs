// People at work: each asks again and again over connections that stay open, and has a WebSocket, which is opened again when it ends.
// GET /so-far → {"answers": {status: count}, "failures": [text], "opened", "open", "closes": {code: count}, "echoes"}
import { readFileSync } from 'node:fs';
import https from 'node:https';
import WebSocket from 'ws';
import { control, json, options, stopWhenAsked, tell } from './part.mjs';

const given = options({
  url: { type: 'string' },
  ca: { type: 'string' },
  host: { type: 'string' },
  // A list of fields for each of the people: [{"Cookie": "…"}, …]
  people: { type: 'string' },
});
const ca = readFileSync(given.ca);
const origin = new URL(given.url);
const told = { answers: {}, failures: [], opened: 0, open: 0, closes: {}, echoes: 0 };
const common = { host: '127.0.0.1', port: origin.port, servername: given.host, ca };

function ask(agent, method, headers) {
  return new Promise((resolve) => {
    const failed = (error) => { told.failures.push(`${method}: ${error.message}`); resolve(); };
    const request = https.request({ ...common, agent, method, path: '/work', headers: { Host: given.host, ...headers } }, (answer) => {
      answer.on('error', failed).on('end', () => {
        told.answers[answer.statusCode] = (told.answers[answer.statusCode] ?? 0) + 1;
        resolve();
      }).resume();
    });
    request.on('error', failed);
    request.end(method === 'POST' ? 'some work' : undefined);
  });
}

async function work(headers, number) {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  for (let turn = 0; ; turn += 1) {
    await ask(agent, (turn + number) % 5 === 0 ? 'POST' : 'GET', headers);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function listen(headers) {
  const socket = new WebSocket(`wss://127.0.0.1:${origin.port}/ws`, { ca, servername: given.host, headers: { Host: given.host, ...headers } });
  socket.on('open', () => { told.opened += 1; told.open += 1; socket.send('hello'); });
  socket.on('message', (data) => { if (data.toString() === 'hello') told.echoes += 1; });
  socket.on('unexpected-response', (_, answer) => told.failures.push(`a WebSocket was answered with ${answer.statusCode}`));
  socket.on('error', (error) => told.failures.push(`a WebSocket: ${error.message}`));
  socket.on('close', (code) => {
    told.open -= 1;
    told.closes[code] = (told.closes[code] ?? 0) + 1;
    setImmediate(listen, headers);
  });
}

const port = await control({ 'GET /so-far': () => told });
json(given.people).forEach((headers, number) => {
  work(headers, number);
  listen(headers);
});
stopWhenAsked();
tell({ control: port });
