// An app that calls its sidecars every 100 ms over kept connections, and answers what a proxy asks it. CALLS names their ports
// (`9091,9092`), SERVES its own. At SIGUSR2 it prints what it saw so far as one line of JSON, by port.
import { Agent, createServer, get } from 'node:http';

const agent = new Agent({ keepAlive: true });
const counts = {};
const started = new Set();

const call = (port) => {
  const count = (counts[port] ??= { early: 0, answered: 0, failed: 0, failures: {}, versions: {} });
  const began = Date.now();
  const fail = (error) => {
    // The app may start before its sidecar.
    if (!started.has(port)) return void (count.early += 1);
    count.failed += 1;
    const how = `${error.code ?? error.message}${sent.reusedSocket ? ' on a kept connection' : ''}`;
    count.failures[how] = (count.failures[how] ?? 0) + 1;
    console.log(new Date().toISOString(), port, how, 'after', Date.now() - began, 'ms');
  };
  const sent = get({ host: '127.0.0.1', port, path: '/from-app', agent, timeout: 5_000 }, (answer) => {
    answer.on('error', fail);
    answer.on('end', () => {
      if (answer.statusCode !== 200) return fail(new Error(`status ${answer.statusCode}`));
      started.add(port);
      count.answered += 1;
      const version = answer.headers['x-sidecar-version'];
      count.versions[version] = (count.versions[version] ?? 0) + 1;
    });
    answer.resume();
  });
  sent.on('timeout', () => sent.destroy(new Error('no answer within 5 s')));
  sent.on('error', fail);
};

for (const port of (process.env.CALLS ?? '9091').split(',').filter(Boolean).map(Number)) {
  call(port);
  setInterval(call, 100, port);
}
createServer((request, response) => response.end('from the app\n')).listen(
  Number(process.env.SERVES ?? 8000),
  '127.0.0.1',
);
process.on('SIGUSR2', () => console.log(JSON.stringify(counts)));
process.on('SIGTERM', () => process.exit());
