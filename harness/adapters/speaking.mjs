// What all adapters for Node share: reads calls on stdin, makes each with `ask(call, signal)`, writes what became of it.
// `ask` resolves to keys of the message `ended`. What libraries print goes to stderr: stdout belongs to the messages.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

const folder = process.env.WINDTUNNEL_ENV ?? process.cwd();
const required = createRequire(join(folder, 'package.json'));
const write = process.stdout.write.bind(process.stdout);
console.log = console.info = console.warn = console.debug = console.error;

/** A package of the environment. */
export const load = (name) => required(name);

const versionOf = (name) => {
  try {
    return required(join(folder, 'node_modules', name, 'package.json')).version;
  } catch {
    return 'absent';
  }
};

const say = (message) => write(JSON.stringify(message) + '\n');

/** Make calls until stdin is closed. */
export function run(ask, ...packages) {
  const underWay = new Map();
  createInterface({ input: process.stdin, crlfDelay: Infinity })
    .on('line', async (line) => {
      const call = JSON.parse(line);
      const { call_id } = call;
      if (call.event === 'cancel') return underWay.get(call_id)?.abort();
      const controller = new AbortController();
      underWay.set(call_id, controller);
      let told = false;
      call.content = (text) => {
        if (!text) return;
        say({ event: told ? 'content' : 'first_content', call_id });
        told = true;
      };
      say({ event: 'started', call_id });
      try {
        say({ event: 'ended', call_id, outcome: 'ok', ...(await ask(call, controller.signal)) });
      } catch (error) {
        const ended = controller.signal.aborted ? { outcome: 'cancelled' } : failure(error);
        say({ event: 'ended', call_id, ...ended });
      } finally {
        underWay.delete(call_id);
      }
    })
    .on('close', () => process.exit(0));
  const versions = { node: process.versions.node };
  for (const name of packages) versions[name] = versionOf(name);
  say({ event: 'ready', concurrency: 1000, cancel: true, versions });
}

/** What the message `ended` says of an error. */
export function failure(error) {
  const name = error?.constructor?.name ?? 'Error';
  const type = name === 'Error' ? (error.name ?? name) : name;
  const status = error?.status ?? error?.statusCode ?? error?.lastError?.statusCode;
  const cause = error?.cause ?? error?.lastError;
  return {
    outcome: /Timeout/.test(type) ? 'timeout' : 'error',
    error_type: type,
    error_cause: cause ? (cause.code ?? cause.constructor?.name ?? null) : null,
    error_message: String(error?.message ?? error).slice(0, 300),
    status: Number.isInteger(status) && status >= 100 && status <= 599 ? status : null,
  };
}
