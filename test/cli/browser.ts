import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { ExecutionContext } from 'ava';
import test from 'ava';

const chromium = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);
const isRequired = process.env['BATON_CHROMIUM'] === 'required';
if (!chromium && !isRequired) console.log('# skipped: the report page in a browser, because no chromium is installed');
/** `test.serial`, or skipped where there is no browser. */
export const browserTest = chromium || isRequired ? test.serial : test.serial.skip;

/** One page that is to be looked at, and how many charts it shows at any width. */
export interface CheckedPage {
  name: string;
  html: string;
  charts: number;
}

/** Looks at pages in a browser: whether they fit 320 to 1200 px, light and dark, are readable, and load nothing. */
export async function checkPages(t: ExecutionContext, checked: readonly CheckedPage[]): Promise<void> {
  if (!chromium) return t.fail('BATON_CHROMIUM=required, and no chromium is installed');
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const page = checked.find(({ name }) => name === (request.url ?? '').slice(1));
    response.writeHead(page ? 200 : 404, { 'content-type': 'text/html' }).end(page?.html ?? '');
  }).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const browser = await startBrowser(t, chromium);
  for (const { name, charts } of checked) {
    for (const width of [320, 375, 640, 1200]) {
      await browser.send('Emulation.setDeviceMetricsOverride', {
        width,
        height: 800,
        deviceScaleFactor: 1,
        mobile: width < 600,
      });
      const loaded = browser.next('Page.loadEventFired');
      await browser.send('Page.navigate', {
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`,
      });
      await loaded;
      for (const value of ['light', 'dark']) {
        await browser.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value }] });
        const { result } = (await browser.send('Runtime.evaluate', {
          expression: `(${probe})(${width})`,
          returnByValue: true,
        })) as { result: { value?: unknown } };
        const expected = {
          dark: value === 'dark',
          charts,
          tooWide: [],
          small: [],
          faint: [],
          overlapping: [],
          title: true,
        };
        t.deepEqual(result.value, expected, `${name} at ${width} px, ${value}`);
        const folder = process.env['BATON_SCREENSHOTS'];
        if (folder === undefined) continue;
        mkdirSync(folder, { recursive: true });
        const { data } = (await browser.send('Page.captureScreenshot', { captureBeyondViewport: true })) as {
          data: string;
        };
        writeFileSync(join(folder, `${name}-${width}-${value}.png`), Buffer.from(data, 'base64'));
      }
    }
  }
  t.deepEqual(browser.complaints, []);
  const pages = checked.map(({ name }) => `/${name}`);
  t.deepEqual([...new Set(asked)], pages);
  const others = browser.requests.filter((url) => url !== 'data:,' && !pages.includes(new URL(url).pathname));
  t.deepEqual(others, []);
  t.true(browser.requests.length >= pages.length);
}

/** Runs in the page: what does not fit, is too small (11 px), too faint (4.5 : 1) or lies over another text. */
const probe = `(width) => {
  const shown = [...document.querySelectorAll('body *')].filter((e) => e.tagName !== 'SCRIPT' && e.getClientRects().length > 0);
  const texts = shown.filter((e) => [...e.childNodes].some((c) => c.nodeType === 3 && c.data.trim() !== '') && !['title', 'desc'].includes(e.tagName));
  const name = (e) => e.tagName + ' ' + e.textContent.slice(0, 40);
  const rgb = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => rgb(color).slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { const c = getComputedStyle(e).backgroundColor; return rgb(c)[3] === 0 && e.parentElement ? behind(e.parentElement) : c; };
  const contrast = (e) => { const s = getComputedStyle(e); const [a, b] = [light(e instanceof SVGElement ? s.fill : s.color), light(behind(e))]; return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); };
  const size = (e) => parseFloat(getComputedStyle(e).fontSize) * (e instanceof SVGElement ? e.getScreenCTM().a : 1);
  const box = (e) => e.getBoundingClientRect();
  const labels = texts.filter((e) => e instanceof SVGElement);
  const isOver = (a, b) => a.left < b.right && b.left < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom;
  return {
    dark: matchMedia('(prefers-color-scheme: dark)').matches && light(getComputedStyle(document.body).backgroundColor) < 0.05,
    charts: shown.filter((e) => e.matches('svg.chart')).length,
    tooWide: document.documentElement.scrollWidth > document.documentElement.clientWidth || innerWidth !== width ? ['page']
      : [...texts.filter((e) => box(e).right > document.documentElement.clientWidth + 0.5 || box(e).left < 0)].map(name),
    small: texts.filter((e) => size(e) < 10.9).map(name),
    faint: texts.filter((e) => contrast(e) < 4.5).map(name),
    overlapping: labels.flatMap((a, i) => labels.slice(i + 1).filter((b) => isOver(box(a), box(b))).map((b) => name(a) + ' / ' + name(b))),
    title: document.title.startsWith('Rehearsal of '),
  };
}`;

interface Message {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: unknown;
  error?: { message: string };
}

/** A browser with one page, spoken to over a pipe: JSON messages that end with a zero byte. */
async function startBrowser(t: ExecutionContext, program: string) {
  const profile = mkdtempSync(join(tmpdir(), 'baton-chromium-'));
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'];
  const quiet = [
    '--disable-background-networking',
    '--disable-component-update',
    '--hide-scrollbars',
    '--remote-debugging-pipe',
  ];
  const child = spawn(program, [...flags, ...quiet, `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  });
  t.teardown(async () => {
    if (child.exitCode === null && child.kill()) await once(child, 'close');
    // Its helper processes may still write for a moment after it has ended.
    await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });
  const [toBrowser, fromBrowser] = [child.stdio[3] as Writable, child.stdio[4] as Readable];
  const waiting = new Map<number | string, (message: Message) => void>();
  const complaints: unknown[] = [];
  const requests: string[] = [];
  let rest = Buffer.alloc(0);
  fromBrowser.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
      const message = JSON.parse(rest.subarray(0, end).toString()) as Message;
      rest = rest.subarray(end + 1);
      if (['Log.entryAdded', 'Runtime.consoleAPICalled', 'Runtime.exceptionThrown'].includes(message.method ?? ''))
        complaints.push(message.params);
      if (message.method === 'Network.requestWillBeSent')
        requests.push((message.params?.['request'] as { url: string }).url);
      waiting.get(message.id ?? message.method ?? '')?.(message);
    }
  });
  let sent = 0;
  const session: { sessionId?: string } = {};
  const next = (key: number | string) => new Promise<Message>((resolve) => waiting.set(key, resolve));
  const send = async (method: string, params: object = {}): Promise<unknown> => {
    const answer = next(++sent);
    toBrowser.write(`${JSON.stringify({ id: sent, method, params, ...session })}\0`);
    const { result, error } = await answer;
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  };
  const { targetInfos } = (await send('Target.getTargets')) as { targetInfos: { targetId: string; type: string }[] };
  const targetId = targetInfos.find(({ type }) => type === 'page')?.targetId;
  Object.assign(session, await send('Target.attachToTarget', { targetId, flatten: true }));
  for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await send(`${domain}.enable`);
  return { send, next, complaints, requests };
}
