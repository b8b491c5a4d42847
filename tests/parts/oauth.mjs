// A client of OAuth 2.0 that nobody here wrote (oauth4webapi): finds its way from a refusal to a token and back. Prints one JSON line.
import * as oauth from 'oauth4webapi';
import { options, tell } from './part.mjs';

const given = options({
  resource: { type: 'string' },
  client: { type: 'string' },
  secret: { type: 'string' },
  auth: { type: 'string', default: 'basic' },
  scope: { type: 'string', default: '' },
});
const insecure = { [oauth.allowInsecureRequests]: true };

try {
  // RFC 9728 §5: the refusal says where the metadata is, and that says which server gives tokens.
  const resource = new URL(given.resource);
  let challenge;
  try {
    await oauth.protectedResourceRequest('not.a.token', 'GET', resource, undefined, undefined, insecure);
  } catch (error) {
    if (!(error instanceof oauth.WWWAuthenticateChallengeError)) throw error;
    challenge = error.cause.find(({ scheme }) => scheme === 'bearer').parameters;
  }
  const origin = new URL('/', resource);
  const described = await oauth.resourceDiscoveryRequest(origin, insecure);
  const metadata = await oauth.processResourceDiscoveryResponse(origin, described);
  const below = await oauth.resourceDiscoveryRequest(resource, insecure);
  const pathMetadata = await oauth.processResourceDiscoveryResponse(resource, below);

  const issuer = new URL(metadata.authorization_servers[0]);
  const server = await oauth.processDiscoveryResponse(
    issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }),
  );
  const client = { client_id: given.client };
  const auth = given.auth === 'post' ? oauth.ClientSecretPost(given.secret) : oauth.ClientSecretBasic(given.secret);
  const parameters = new URLSearchParams({ resource: metadata.resource, ...(given.scope && { scope: given.scope }) });
  const answer = await oauth.clientCredentialsGrantRequest(server, client, auth, parameters, insecure);
  const cache = answer.headers.get('cache-control');
  const tokens = await oauth.processClientCredentialsResponse(server, client, answer);

  // RFC 9068 §4, as a resource server would check the token.
  const request = new Request(resource, { headers: { authorization: `Bearer ${tokens.access_token}` } });
  const claims = await oauth.validateJwtAccessToken(server, request, issuer.href.replace(/\/$/, ''), {
    signingAlgorithms: ['EdDSA'], ...insecure,
  });
  const used = await fetch(resource, { headers: { authorization: `Bearer ${tokens.access_token}` } });
  tell({ challenge, metadata, pathMetadata, server, tokens, cache, claims, used: used.status, body: await used.text() });
} catch (error) {
  tell({ error: error.error ?? error.message, status: error.status, code: error.code, cause: `${error.cause?.message ?? error.cause}` });
}
