// What every part shares: options, the one line that says it is ready, and how it stops.
// A part never outlives its test: it stops on SIGTERM, SIGINT, or when the pipe on its standard input closes.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, fstatSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const LOOPBACK = '127.0.0.1';
const closers = [];

/** Command-line options by `node:util` parseArgs; an unknown option ends the program with status 2. */
export function options(spec, allowPositionals = false) {
  try {
    const { values, positionals } = parseArgs({ options: spec, allowPositionals });
    return { ...values, positionals };
  } catch (error) {
    console.error(error.message);
    process.exit(2);
  }
}

/** A value given as JSON text, or as `@FILE` holding JSON. */
export function json(text) {
  return JSON.parse(text.startsWith('@') ? readFileSync(text.slice(1), 'utf8') : text);
}

/** One JSON line on standard output. The first line of a server says that it is ready. */
export function tell(facts) {
  process.stdout.write(`${JSON.stringify(facts)}\n`);
}

/** A folder for state that is removed when the part stops. */
export function temporaryFolder(name) {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  closers.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Listens on loopback; port 0 lets the operating system choose. Returns the port. */
export function listen(server, port = 0) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(port), LOOPBACK, () => resolve(server.address().port));
  });
}

/** Runs `close` when the part is asked to stop, then ends the process. */
export function atStop(close) {
  closers.push(close);
}

/**
 * Starts a program that ends with the part, also where the part fails before it is ready. `detached`: with all of its group.
 * `signal` ends it at once.
 */
export function program(command, args, options = {}, signal = 'SIGTERM') {
  const child = spawn(command, args, options);
  process.on('exit', () => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try { process.kill(options.detached ? -child.pid : child.pid, signal); } catch { /* it has ended */ }
  });
  return child;
}

let stopping = false;
async function stop() {
  if (stopping) return;
  stopping = true;
  for (const close of closers.reverse()) await close();
  process.exit(0);
}

/** Arms the ways to stop. Only a pipe or socket counts as a watched standard input: /dev/null ends at once. */
export function stopWhenAsked() {
  process.on('SIGTERM', stop).on('SIGINT', stop);
  const stdin = fstatSync(0, { throwIfNoEntry: false });
  if (stdin?.isFIFO() || stdin?.isSocket()) process.stdin.on('end', stop).on('error', stop).resume();
}

/** The body of an incoming message, whole. For small bodies of our own control calls only. */
export async function bodyOf(incoming) {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/**
 * A control endpoint on a second loopback port: `routes` maps "METHOD /path" to a function of the JSON body
 * that returns the JSON answer.
 */
export async function control(routes) {
  const server = createServer(async (request, response) => {
    const answer = (status, value) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(value ?? {}));
    };
    const route = routes[`${request.method} ${request.url}`];
    if (!route) return answer(404, { error: 'no such control', known: Object.keys(routes) });
    try {
      const body = await bodyOf(request);
      answer(200, await route(body.length ? JSON.parse(body) : undefined));
    } catch (error) {
      answer(400, { error: error.message });
    }
  });
  return listen(server);
}

/** TLS files from the options `--cert`, `--key` and `--client-ca`, or undefined where no certificate is given. */
export function tlsFiles({ cert, key, 'client-ca': clientCa }) {
  if (!cert) return undefined;
  const files = { cert: readFileSync(cert), key: readFileSync(key) };
  if (!clientCa) return files;
  return { ...files, ca: readFileSync(clientCa), requestCert: true, rejectUnauthorized: true };
}

/** Header pairs from the flat list Node keeps: nothing merged, nothing renamed. */
export function pairs(flat) {
  const list = [];
  for (let at = 0; at < flat.length; at += 2) list.push([flat[at], flat[at + 1]]);
  return list;
}
