// LemonLDAP::NG, a provider of OpenID Connect and of SAML 2.0 (by lasso) in one portal, with its demonstration users.
// Perl serves it (lemonldap.pl); here are its configuration, made for each start with new keys, and how it is told of others.
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { atStop, control, json, options, stopWhenAsked, tell, temporaryFolder } from './part.mjs';

const given = options({
  port: { type: 'string', default: '0' },
  clients: { type: 'string', default: '[]' },
  'service-providers': { type: 'string', default: '[]' },
  log: { type: 'string', default: 'error' },
});

const folder = temporaryFolder('doorward-lemonldap');
const clients = json(given.clients);
const serviceProviders = json(given['service-providers']);
let generation = 0;

/** A new RSA key and a certificate for it, as PEM. */
function keyPair(name) {
  const [key, certificate] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  return { key: readFileSync(key, 'utf8'), certificate: readFileSync(certificate, 'utf8') };
}

const keys = { oidc: keyPair('oidc'), saml: keyPair('saml'), encryption: keyPair('encryption'), kid: randomUUID() };

/** An object of one member for each entry of a list, by its place: LemonLDAP names partners in its own configuration. */
const named = (list, prefix, member) => Object.fromEntries(list.map((entry, place) => [`${prefix}${place}`, member(entry)]));

/** Client metadata by the names of the registration standard, as LemonLDAP calls them. */
function relyingParty(client) {
  return {
    oidcRPMetaDataOptionsClientID: client.client_id,
    oidcRPMetaDataOptionsClientSecret: client.client_secret,
    oidcRPMetaDataOptionsRedirectUris: (client.redirect_uris ?? []).join(' '),
    oidcRPMetaDataOptionsPostLogoutRedirectUris: (client.post_logout_redirect_uris ?? []).join(' '),
    oidcRPMetaDataOptionsDisplayName: client.client_name ?? client.client_id,
    oidcRPMetaDataOptionsIDTokenSignAlg: client.id_token_signed_response_alg ?? 'RS256',
    oidcRPMetaDataOptionsAdditionalAudiences: (client.additional_audiences ?? []).join(' '),
    oidcRPMetaDataOptionsIDTokenForceClaims: client.claims_in_id_token === true ? 1 : 0,
    oidcRPMetaDataOptionsBypassConsent: client.consent === true ? 0 : 1,
    oidcRPMetaDataOptionsLogoutUrl: client.frontchannel_logout_uri ?? '',
    oidcRPMetaDataOptionsLogoutType: 'front',
    oidcRPMetaDataOptionsLogoutSessionRequired: client.frontchannel_logout_session_required === false ? 0 : 1,
    oidcRPMetaDataOptionsLogoutBypassConfirm: 0,
    oidcRPMetaDataOptionsRequirePKCE: 1,
    oidcRPMetaDataOptionsRefreshToken: 1,
    oidcRPMetaDataOptionsAllowOffline: 1,
    oidcRPMetaDataOptionsAccessTokenExpiration: client.access_token_ttl ?? 3600,
  };
}

function serviceProvider(provider) {
  return {
    samlSPMetaDataOptionsNameIDFormat: provider.name_id_format ?? 'persistent',
    samlSPMetaDataOptionsEncryptionMode: provider.encrypt === true ? 'assertion' : provider.encrypt || 'none',
    samlSPMetaDataOptionsEnableIDPInitiatedURL: provider.idp_initiated === true ? 1 : 0,
    samlSPMetaDataOptionsSignSSOMessage: provider.sign === false ? 0 : 1,
    samlSPMetaDataOptionsCheckSSOMessageSignature: provider.check_signatures === false ? 0 : 1,
    samlSPMetaDataOptionsSignSLOMessage: 1,
    samlSPMetaDataOptionsCheckSLOMessageSignature: provider.check_signatures === false ? 0 : 1,
    samlSPMetaDataOptionsNotOnOrAfterTimeout: 600,
    samlSPMetaDataOptionsSessionNotOnOrAfterTimeout: 3600,
  };
}

const ATTRIBUTE = 'urn:oasis:names:tc:SAML:2.0:attrname-format:basic';

function configuration() {
  const portal = `http://127.0.0.1:${port}/`;
  const place = (name) => join(folder, name);
  const sessions = (name) => ({ Directory: place(name), LockDirectory: place(`${name}/lock`) });
  return {
    cfgNum: generation,
    cfgAuthor: 'tests',
    cfgDate: Math.floor(Date.now() / 1000),
    cfgVersion: '2.16.1',
    portal,
    domain: '127.0.0.1',
    cookieName: 'lemonldap',
    securedCookie: 0,
    sameSite: 'Lax',
    key: randomUUID(),
    authentication: 'Demo',
    userDB: 'Same',
    passwordDB: 'Null',
    demoExportedVars: { cn: 'cn', mail: 'mail', uid: 'uid' },
    whatToTrace: 'uid',
    locationRules: { default: { default: 'accept' } },
    globalStorage: 'Apache::Session::File',
    globalStorageOptions: { ...sessions('sessions'), generateModule: 'Lemonldap::NG::Common::Apache::Session::Generate::SHA256' },
    persistentStorage: 'Apache::Session::File',
    persistentStorageOptions: sessions('persistent'),
    localSessionStorage: 'Cache::FileCache',
    localSessionStorageOptions: { namespace: 'sessions', default_expires_in: 600, cache_root: place('cache'), cache_depth: 3, directory_umask: '007' },
    // Forms carry a token against cross-site posts, as by default; the sign-in needs no other proof.
    requireToken: 1,
    // No form asks for a captcha, but a module for it is always loaded; the usual one would want ImageMagick.
    captcha: '::Main::Plugin',
    captcha_mail_enabled: 0,
    captcha_register_enabled: 0,
    portalDisplayRegister: 0,
    portalDisplayResetPassword: 0,
    portalDisplayCertificateResetByMail: 0,
    portalCheckLogins: 0,
    loginHistoryEnabled: 0,
    issuerDBOpenIDConnectActivation: 1,
    issuerDBOpenIDConnectRule: 1,
    oidcServiceIgnoreScopeForClaims: 0,
    oidcServicePrivateKeySig: keys.oidc.key,
    oidcServicePublicKeySig: keys.oidc.certificate,
    oidcServiceKeyIdSig: keys.kid,
    oidcServiceMetaDataAuthnContext: { 'loa-1': 1, 'loa-2': 2, 'loa-3': 3, 'loa-4': 4, 'loa-5': 5 },
    oidcRPMetaDataOptions: named(clients, 'rp', relyingParty),
    oidcRPMetaDataExportedVars: named(clients, 'rp', () => ({ email: 'mail', name: 'cn', preferred_username: 'uid', groups: 'groups;string;always' })),
    oidcRPMetaDataOptionsExtraClaims: named(clients, 'rp', () => ({ groups: 'groups' })),
    issuerDBSAMLActivation: 1,
    issuerDBSAMLRule: 1,
    samlServicePrivateKeySig: keys.saml.key,
    samlServicePublicKeySig: keys.saml.certificate,
    samlServicePrivateKeyEnc: keys.encryption.key,
    samlServicePublicKeyEnc: keys.encryption.certificate,
    samlServiceUseCertificateInResponse: 1,
    samlServiceSignatureMethod: 'RSA_SHA256',
    samlSPMetaDataXML: named(serviceProviders, 'sp', ({ metadata }) => ({ samlSPMetaDataXML: metadata })),
    samlSPMetaDataOptions: named(serviceProviders, 'sp', serviceProvider),
    samlSPMetaDataExportedAttributes: named(serviceProviders, 'sp', () => ({
      mail: `1;mail;${ATTRIBUTE};`,
      uid: `0;uid;${ATTRIBUTE};`,
      cn: `0;cn;${ATTRIBUTE};`,
      groups: `0;groups;${ATTRIBUTE};`,
    })),
  };
}

/** The portal's own settings file: where the configuration is, and nothing of the machine's. */
function settings() {
  return `[all]
logLevel = ${given.log}
logger = Lemonldap::NG::Common::Logger::Std
userLogger = Lemonldap::NG::Common::Logger::Std
checkTime = 1
[configuration]
type = File
dirName = ${join(folder, 'conf')}
localStorage = Cache::FileCache
localStorageOptions = { 'namespace' => 'configuration', 'default_expires_in' => 600, 'directory_umask' => '007', 'cache_root' => '${join(folder, 'cache')}', 'cache_depth' => 3 }
[portal]
staticPrefix = /static
templateDir = /usr/share/lemonldap-ng/portal/templates
languages = en
`;
}

for (const name of ['conf', 'cache', 'sessions/lock', 'persistent/lock']) mkdirSync(join(folder, name), { recursive: true });
writeFileSync(join(folder, 'lemonldap-ng.ini'), settings());

const perl = spawn('perl', [join(dirname(fileURLToPath(import.meta.url)), 'lemonldap.pl'), given.port, folder], {
  env: { PATH: process.env.PATH, LLNG_DEFAULTCONFFILE: join(folder, 'lemonldap-ng.ini') },
  stdio: ['pipe', 'pipe', 'inherit'],
});
const gone = new Promise((resolve) => perl.on('exit', resolve));
gone.then((code) => process.exit(code ?? 1));
const said = createInterface({ input: perl.stdout })[Symbol.asyncIterator]();
// Its end of standard input tells Perl to stop, be it said here or by the death of this process.
atStop(() => {
  perl.removeAllListeners('exit');
  const ended = new Promise((resolve) => perl.on('exit', resolve));
  perl.stdin.end();
  return ended;
});
stopWhenAsked();

/** What Perl says next, which must begin with this word. */
async function hear(word) {
  const { value = '' } = await said.next();
  if (!value.startsWith(word)) throw new Error(`expected ${word}, heard ${value}`);
  return value.slice(word.length).trim();
}

/** Starts the portal with the configuration as it now is; sessions stay. */
async function restart() {
  generation += 1;
  writeFileSync(join(folder, `conf/lmConf-${generation}.json`), JSON.stringify(configuration()));
  perl.stdin.write('start\n');
  await hear('ready');
  // It answers even where its configuration does not hold, so its own descriptions are asked for.
  for (const path of ['.well-known/openid-configuration', 'saml/metadata']) {
    const { status } = await fetch(`http://127.0.0.1:${port}/${path}`);
    if (status !== 200) throw new Error(`/${path} answered ${status}`);
  }
}

const port = Number(await hear('port'));
await restart();
const controlPort = await control({
  'POST /clients': async (list) => {
    clients.push(...list);
    await restart();
  },
  'POST /service-providers': async (list) => {
    serviceProviders.splice(0, serviceProviders.length, ...list);
    await restart();
  },
  // As its clean-up does with those that are too old.
  'POST /forget-refresh-tokens': () => {
    const files = readdirSync(join(folder, 'sessions'), { withFileTypes: true }).filter((file) => file.isFile());
    const old = files.map(({ name }) => join(folder, 'sessions', name)).filter((file) => /"_type":"refresh_token"/.test(readFileSync(file, 'utf8')));
    for (const place of [...old, join(folder, 'cache')]) rmSync(place, { recursive: true });
    return { forgotten: old.length };
  },
  'POST /rotate-keys': async () => {
    Object.assign(keys, { oidc: keyPair('oidc'), saml: keyPair('saml'), kid: randomUUID() });
    await restart();
    return { kid: keys.kid };
  },
});
tell({ port, issuer: `http://127.0.0.1:${port}/`, saml_metadata: `http://127.0.0.1:${port}/saml/metadata`, control: controlPort });
