// nginx as the upstream: answers with what its parser saw, one `name=value` line each, and keeps the same as JSON.
// The listening socket comes from here and is handed over (nginx's own upgrade mechanism), so no port can be lost between.
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { atStop, control, json, listen, options, program, stopWhenAsked, tell, temporaryFolder } from './part.mjs';

const given = options({
  port: { type: 'string', default: '0' },
  headers: { type: 'string', default: '[]' },
});

const VARIABLES = {
  method: '$request_method',
  request: '$request',
  request_uri: '$request_uri',
  uri: '$uri',
  args: '$args',
  host: '$host',
  http_host: '$http_host',
  content_length: '$http_content_length',
  connection: '$http_connection',
  cookie: '$http_cookie',
  authorization: '$http_authorization',
};
for (const name of json(given.headers)) VARIABLES[name.toLowerCase()] = `$http_${name.toLowerCase().replaceAll('-', '_')}`;

function configuration(folder, port) {
  const lines = Object.entries(VARIABLES).map(([name, variable]) => `${name}=${variable}\\n`);
  const members = Object.entries(VARIABLES).map(([name, variable]) => `"${name}":"${variable}"`);
  return `
daemon off;
worker_processes 1;
${process.getuid() === 0 ? 'user root;' : ''}
error_log ${folder}/error.log warn;
pid ${folder}/nginx.pid;
events { worker_connections 1024; }
http {
  log_format seen escape=json '{${members.join(',')},"status":"$status","request_length":"$request_length"}';
  access_log ${folder}/access.log seen;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  underscores_in_headers on;
  ignore_invalid_headers off;
  merge_slashes off;
  client_max_body_size 0;
  server {
    listen 127.0.0.1:${port};
    default_type text/plain;
    location / { return 200 "${lines.join('')}"; }
  }
}
`;
}

/** Every request so far. Bytes above 0x7f appear as the character of that number. */
function requests() {
  return readFileSync(join(folder, 'access.log'), 'latin1')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('GET /ready HTTP/1.0\r\n\r\n'));
    socket.on('data', () => resolve(true)).on('close', () => resolve(false)).on('error', () => resolve(false));
  });
}

const folder = temporaryFolder('doorward-nginx');
const holder = createServer();
const port = await listen(holder, given.port);
writeFileSync(join(folder, 'nginx.conf'), configuration(folder, port));
const nginx = program('/usr/sbin/nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], {
  env: { NGINX: '3;' },
  stdio: ['ignore', 'inherit', 'inherit', holder._handle.fd],
});
nginx.on('exit', (code) => process.exit(code ?? 0));
holder.close();
atStop(() => new Promise((gone) => nginx.removeAllListeners('exit').on('exit', gone).kill('SIGTERM')));
stopWhenAsked();
if (!(await answers(port))) throw new Error('nginx did not answer');
// Its line is written just after the answer.
while (requests().length === 0) await sleep(5);
writeFileSync(join(folder, 'access.log'), '');
const controlPort = await control({
  'GET /requests': requests,
  'DELETE /requests': () => void writeFileSync(join(folder, 'access.log'), ''),
});
tell({ port, control: controlPort });
