// A real gRPC server: unary, both kinds of streaming, bidirectional, and errors with trailers.
// Every answer carries the request's metadata back, and every call ends with the trailer `x-door-count`.
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { atStop, options, stopWhenAsked, tell, tlsFiles } from './part.mjs';

const given = options({
  port: { type: 'string', default: '0' },
  cert: { type: 'string' },
  key: { type: 'string' },
  'client-ca': { type: 'string' },
});

const { door } = grpc.loadPackageDefinition(loader.loadSync(new URL('door.proto', import.meta.url).pathname, { keepCase: true, defaults: true }));

const received = (call) => Object.fromEntries(Object.entries(call.metadata.getMap()).map(([name, value]) => [name, String(value)]));

function trailers(count) {
  const metadata = new grpc.Metadata();
  metadata.set('x-door-count', String(count));
  return metadata;
}

function greet(call) {
  const metadata = new grpc.Metadata();
  metadata.set('x-door-initial', 'yes');
  call.sendMetadata(metadata);
}

const handlers = {
  Say(call, done) {
    greet(call);
    done(null, { text: call.request.text, metadata: received(call) }, trailers(1));
  },
  Count(call) {
    greet(call);
    const { n, every_ms: every, bytes } = call.request;
    let sent = 0;
    const timer = setInterval(() => {
      call.write({ text: bytes ? 'x'.repeat(bytes) : String(sent), metadata: sent ? {} : received(call) });
      sent += 1;
      if (sent !== n) return;
      clearInterval(timer);
      call.end(trailers(sent));
    }, every);
    call.on('cancelled', () => {
      clearInterval(timer);
      if (sent !== n) tell({ event: 'cancelled', call: 'Count', sent });
    });
  },
  Collect(call, done) {
    const texts = [];
    call.on('data', ({ text }) => texts.push(text));
    call.on('end', () => done(null, { text: texts.join(','), metadata: received(call) }, trailers(texts.length)));
  },
  Chat(call) {
    greet(call);
    let count = 0;
    let ended = false;
    call.on('data', ({ text }) => {
      call.write({ text: `heard ${text}`, metadata: count ? {} : received(call) });
      count += 1;
    });
    call.on('end', () => {
      ended = true;
      call.end(trailers(count));
    });
    call.on('cancelled', () => ended || tell({ event: 'cancelled', call: 'Chat', sent: count }));
  },
  Fail(call, done) {
    const { code, details } = call.request;
    done({ code, details, metadata: trailers(0) });
  },
};

function credentials() {
  const tls = tlsFiles(given);
  if (!tls) return grpc.ServerCredentials.createInsecure();
  return grpc.ServerCredentials.createSsl(tls.ca ?? null, [{ cert_chain: tls.cert, private_key: tls.key }], Boolean(tls.ca));
}

const server = new grpc.Server();
server.addService(door.Door.service, handlers);
stopWhenAsked();
atStop(() => server.forceShutdown());
server.bindAsync(`127.0.0.1:${given.port}`, credentials(), (error, port) => {
  if (error) throw error;
  tell({ port });
});
