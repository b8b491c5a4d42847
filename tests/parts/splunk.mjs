// Splunk's HTTP Event Collector, as strict as its documentation says it is ("Format events for HTTP Event Collector", "Troubleshoot
// HTTP Event Collector", "About HTTP Event Collector Indexer Acknowledgment"): Splunk itself cannot be had for a test. Stricter than the
// real one in one thing: a key that it does not document is refused, not ignored.
import { options, stopWhenAsked, tell, tlsFiles } from './part.mjs';
import { answer, receiver, taken } from './receiver.mjs';

const given = options({
  token: { type: 'string', default: 'A94A8FE5-CCB1-9BA6-1C4C-0873D391E987' },
  index: { type: 'string', default: 'main' },
  ack: { type: 'boolean' },
  port: { type: 'string', default: '0' },
  cert: { type: 'string' },
  key: { type: 'string' },
});

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const KEYS = new Set(['time', 'host', 'source', 'sourcetype', 'index', 'event', 'fields']);

/** `polls`: how often an acknowledgement is asked for until it is true; `indexing`: whether what is taken gets that far at all. */
let mode = { polls: 0, indexing: true };
/** By channel: what was taken and is not told of yet. */
const channels = new Map();

function refused(status, code, text, event) {
  return answer(status, event === undefined ? { text, code } : { text, code, 'invalid-event-number': event });
}

/** Objects one after the other, with or without space between them; the last is null where the text is none. */
function objects(text) {
  const found = [];
  let [depth, start, quoted, escaped] = [0, -1, false, false];
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (escaped) { escaped = false; continue; }
    if (quoted) {
      if (letter === '\\') escaped = true;
      if (letter === '"') quoted = false;
      continue;
    }
    if (letter === '"') quoted = true;
    if (letter === '{' && depth++ === 0) start = at;
    if (depth === 0 && !/\s/.test(letter)) return [...found, null];
    if (letter === '}' && --depth === 0) {
      try { found.push(JSON.parse(text.slice(start, at + 1))); } catch { return [...found, null]; }
    }
  }
  return depth === 0 && !quoted ? found : [...found, null];
}

const flat = (value) => ['string', 'number', 'boolean'].includes(typeof value);

function flaw(event, number) {
  if (event === null || Object.keys(event).some((key) => !KEYS.has(key))) return refused(400, 6, 'Invalid data format', number);
  if (event.event === undefined || event.event === null) return refused(400, 12, 'Event field is required', number);
  if (event.event === '' || Object.keys(event.event).length === 0) return refused(400, 13, 'Event field cannot be blank', number);
  const texts = ['host', 'source', 'sourcetype', 'index'].every((key) => event[key] === undefined || typeof event[key] === 'string');
  const time = event.time === undefined || (Number.isFinite(Number(event.time)) && event.time !== '');
  if (!texts || !time) return refused(400, 6, 'Invalid data format', number);
  if (event.index !== undefined && event.index !== given.index) return refused(400, 7, 'Incorrect index', number);
  const fields = event.fields ?? {};
  const values = Array.isArray(fields) || typeof fields !== 'object' ? [undefined] : Object.values(fields);
  if (!values.every((value) => flat(value) || (Array.isArray(value) && value.every(flat)))) return refused(400, 15, 'Error in handling indexed fields', number);
  return undefined;
}

function unauthorized(headers) {
  const credential = headers.authorization;
  if (credential === undefined) return refused(401, 2, 'Token is required');
  if (!credential.startsWith('Splunk ')) return refused(401, 3, 'Invalid authorization');
  return credential === `Splunk ${given.token}` ? undefined : refused(403, 4, 'Invalid token');
}

function channelOf({ headers, query }) {
  const channel = headers['x-splunk-request-channel'] ?? query.channel;
  if (channel === undefined) return { flaw: refused(400, 10, 'Data channel is missing') };
  return GUID.test(channel) ? { channel } : { flaw: refused(400, 11, 'Invalid data channel') };
}

function take(batch, channel) {
  if (!given.ack) {
    taken.push(...batch);
    return undefined;
  }
  const held = channels.get(channel) ?? { next: 0, waiting: new Map() };
  channels.set(channel, held);
  held.waiting.set(held.next, { batch, polls: mode.polls, indexing: mode.indexing });
  return held.next++;
}

function events(request) {
  const { channel, flaw: missing } = given.ack ? channelOf(request) : {};
  if (missing) return missing;
  if (request.body === undefined) return refused(400, 6, 'Invalid data format', 0);
  const batch = objects(request.body.toString('utf8'));
  if (batch.length === 0) return refused(400, 5, 'No data');
  for (const [number, event] of batch.entries()) {
    const wrong = flaw(event, number);
    if (!wrong) continue;
    // Those before it are on their way, and nobody is told their acknowledgement.
    if (number > 0) take(batch.slice(0, number), channel);
    return wrong;
  }
  const ackId = take(batch, channel);
  return answer(200, { text: 'Success', code: 0, ...(ackId === undefined ? {} : { ackId }) });
}

/** True is said once: then the acknowledgement is forgotten. */
function acknowledged(channel, id) {
  const held = channels.get(channel)?.waiting;
  const waiting = held?.get(id);
  if (!waiting?.indexing || waiting.polls-- > 0) return false;
  held.delete(id);
  taken.push(...waiting.batch);
  return true;
}

function acknowledgements(request) {
  if (request.headers['content-encoding']) return refused(415, 415, 'Unsupported Media Type');
  if (!given.ack) return refused(400, 14, 'ACK is disabled');
  const { channel, flaw: missing } = channelOf(request);
  if (missing) return missing;
  let ids;
  try { ids = JSON.parse(request.body).acks; } catch { /* judged below */ }
  if (!Array.isArray(ids) || !ids.every(Number.isInteger)) return refused(400, 6, 'Invalid data format');
  return answer(200, { acks: Object.fromEntries(ids.map((id) => [id, acknowledged(channel, id)])) });
}

function judge(request) {
  const { method, path } = request;
  if (path === '/services/collector/health' && method === 'GET') return answer(200, { text: 'HEC is healthy', code: 17 });
  const known = { '/services/collector/event': events, '/services/collector/event/1.0': events, '/services/collector': events, '/services/collector/ack': acknowledgements };
  if (!known[path]) return refused(404, 404, 'The requested URL was not found on this server.');
  if (method !== 'POST') return refused(405, 405, 'Method Not Allowed');
  return unauthorized(request.headers) ?? known[path](request);
}

const ready = await receiver(judge, { port: given.port, tls: tlsFiles(given), routes: { 'POST /mode': (next) => void (mode = { ...mode, ...next }) } });
stopWhenAsked();
tell({ ...ready, token: given.token });
