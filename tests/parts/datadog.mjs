// Datadog's log intake, as strict as its documentation says it is (API reference, "Send logs" v2): Datadog itself cannot be had for a
// test.
import { options, stopWhenAsked, tell, tlsFiles } from './part.mjs';
import { answer, receiver, taken } from './receiver.mjs';

const given = options({
  'api-key': { type: 'string', default: '0123456789abcdef0123456789abcdef' },
  port: { type: 'string', default: '0' },
  cert: { type: 'string' },
  key: { type: 'string' },
});

const MOST_ENTRIES = 1000;
const MOST_BYTES = 5_000_000;
const STATUSES = new Set(['emergency', 'alert', 'critical', 'error', 'warning', 'notice', 'info', 'debug']);

function refused(status, title, detail) {
  return answer(status, { errors: [{ status: String(status), title, detail }] });
}

function sound(entry) {
  if (entry === null || typeof entry !== 'object' || typeof entry.message !== 'string' || entry.message === '') return false;
  if (!['ddsource', 'ddtags', 'hostname', 'service'].every((key) => entry[key] === undefined || typeof entry[key] === 'string')) return false;
  if (entry.ddtags && !entry.ddtags.split(',').every((tag) => /^\p{L}[\p{L}\p{N}_.:/-]*$/u.test(tag))) return false;
  if (entry.timestamp !== undefined && !Number.isSafeInteger(entry.timestamp)) return false;
  return entry.status === undefined || STATUSES.has(entry.status);
}

function judge({ method, path, headers, body }) {
  if (path !== '/api/v2/logs') return refused(404, 'Not Found', 'not found');
  if (method !== 'POST') return refused(405, 'Method Not Allowed', 'method not allowed');
  if (headers['dd-api-key'] === undefined) return refused(401, 'Unauthorized', 'missing api key');
  if (headers['dd-api-key'] !== given['api-key']) return refused(403, 'Forbidden', 'forbidden');
  if (!/^application\/json\b/.test(headers['content-type'] ?? '')) return refused(400, 'Bad Request', 'unknown content type');
  if (body === undefined) return refused(400, 'Bad Request', 'the body is not in the encoding it says');
  if (body.length > MOST_BYTES) return refused(413, 'Request Entity Too Large', 'payload too large');
  let entries;
  try { entries = JSON.parse(body); } catch { return refused(400, 'Bad Request', 'invalid JSON'); }
  if (!Array.isArray(entries)) entries = [entries];
  if (entries.length > MOST_ENTRIES) return refused(413, 'Request Entity Too Large', 'too many entries');
  if (!entries.every(sound)) return refused(400, 'Bad Request', 'an entry is not a log');
  taken.push(...entries);
  return answer(202, {});
}

const ready = await receiver(judge, { port: given.port, tls: tlsFiles(given) });
stopWhenAsked();
tell({ ...ready, api_key: given['api-key'] });
