// Drives Debian's Chromium through a list of steps and prints one JSON line for each (README.md has the steps).
// `*.test` names lead to this machine and any certificate is accepted; the first step that fails ends the run with status 1.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import { json, options, tell } from './part.mjs';

const given = options({
  steps: { type: 'string' },
  timeout: { type: 'string', default: '60000' },
  chromium: { type: 'string', default: '/usr/bin/chromium' },
});

const FLAGS = [
  '--no-sandbox', '--disable-dev-shm-usage', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--no-first-run', '--ignore-certificate-errors', '--host-resolver-rules=MAP *.test 127.0.0.1',
];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const steps = given.steps ? json(given.steps) : JSON.parse(readFileSync(0, 'utf8'));

const browser = await chromium.launch({ executablePath: given.chromium, args: FLAGS, timeout: Number(given.timeout) });
let context;
let page;
let problems;
let authenticator;

async function freshContext() {
  await context?.close();
  context = await browser.newContext({ ignoreHTTPSErrors: true });
  context.setDefaultTimeout(Number(given.timeout));
  problems = [];
  authenticator = undefined;
  await newPage();
}

async function newPage() {
  page = await context.newPage();
  page.on('console', (line) => line.type() === 'error' && problems.push(line.text()));
  page.on('pageerror', (error) => problems.push(error.message));
}

/** Status, final address, and every redirect on the way. */
async function navigation(response) {
  const hops = [];
  for (let hop = response?.request().redirectedFrom(); hop; hop = hop.redirectedFrom()) hops.unshift(hop.url());
  return { status: response?.status(), url: page.url(), redirects: hops };
}

/** What axe-core calls serious or critical. Runs by the debugger, so the page's script rules stay as they are. */
async function audit() {
  const session = await context.newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: AXE });
  const { result } = await session.send('Runtime.evaluate', { expression: 'axe.run()', awaitPromise: true, returnByValue: true });
  const { violations, passes } = result.value;
  const findings = violations
    .filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .map(({ id, impact, help, nodes }) => ({ id, impact, help, nodes: nodes.map(({ html }) => html) }));
  return { findings, passes: passes.length };
}

/** A security key of Chromium's own, in the page that is open; its holder has a finger on it, or (`verified: false`) is somebody else. */
async function attach({ verified = true } = {}) {
  if (!authenticator) {
    const session = await context.newCDPSession(page);
    await session.send('WebAuthn.enable');
    const options = {
      protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
      isUserVerified: verified, automaticPresenceSimulation: true,
    };
    const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', { options });
    authenticator = { session, authenticatorId };
  }
  const { session, authenticatorId } = authenticator;
  await session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: verified });
  const { credentials } = await session.send('WebAuthn.getCredentials', { authenticatorId });
  return { credentials: credentials.length };
}

const actions = {
  goto: async (url) => navigation(await page.goto(url)),
  fill: ([selector, text]) => page.fill(selector, text),
  click: (selector) => page.click(selector),
  press: ([selector, key]) => page.press(selector, key),
  check: (selector) => page.check(selector),
  select: ([selector, value]) => page.selectOption(selector, value).then(() => undefined),
  key: (key) => page.keyboard.press(key),
  wait_for: (selector) => page.waitForSelector(selector).then(() => undefined),
  wait_for_url: (pattern) => page.waitForURL(new RegExp(pattern)).then(() => ({ url: page.url() })),
  wait_for_text: (text) => page.getByText(text).first().waitFor(),
  url: () => ({ url: page.url() }),
  title: async () => ({ title: await page.title() }),
  content: async () => ({ html: await page.content() }),
  text: async (selector) => ({ text: await page.innerText(selector) }),
  count: async (selector) => ({ count: await page.locator(selector).count() }),
  focused: () => page.evaluate(() => ({ focused: document.activeElement?.outerHTML.slice(0, 200) })),
  evaluate: async (script) => ({ value: await page.evaluate(script) }),
  fetch: (request) => page.evaluate(async ({ url, ...init }) => {
    const answer = await fetch(url, init);
    return { status: answer.status, url: answer.url, headers: [...answer.headers], body: await answer.text() };
  }, typeof request === 'string' ? { url: request } : request),
  cookies: async () => ({ cookies: await context.cookies() }),
  add_cookies: (cookies) => context.addCookies(cookies),
  clear_cookies: () => context.clearCookies(),
  headers: (headers) => context.setExtraHTTPHeaders(headers),
  screenshot: (path) => page.screenshot({ path, fullPage: true }).then(() => ({ path })),
  color_scheme: (scheme) => page.emulateMedia({ colorScheme: scheme }),
  viewport: ([width, height]) => page.setViewportSize({ width, height }),
  axe: audit,
  authenticator: attach,
  problems: async () => ({ problems }),
  back: async () => navigation(await page.goBack()),
  forward: async () => navigation(await page.goForward()),
  reload: async () => navigation(await page.reload()),
  new_tab: newPage,
  tab: async (number) => {
    page = context.pages()[number];
    await page.bringToFront();
  },
  new_person: freshContext,
};

let at = 0;
try {
  await freshContext();
  for (; at < steps.length; at += 1) {
    const [[name, argument]] = Object.entries(steps[at]);
    if (!actions[name]) throw new Error(`no step is called ${name}`);
    tell({ step: at, did: name, ...(await actions[name](argument)) });
  }
  tell({ done: true, steps: steps.length });
} catch (error) {
  tell({ step: at, did: Object.keys(steps[at] ?? {})[0], error: error.message, url: page?.url(), text: await page?.innerText('body').catch(() => undefined) });
  process.exitCode = 1;
} finally {
  await browser.close();
}
