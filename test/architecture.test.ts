/**
 * The rooms of `src` and who may import whom, as `ARCHITECTURE.md` draws them. One test per file, so
 * that the failing file is the test's name.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';

const SRC = join(import.meta.dirname, '..', 'src');
const FILES = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);

/** Words everyone may use, and the ports that are only types to the pure rooms. */
const LEVEL_0 = ['ids.ts', 'errors.ts', 'invariant.ts', 'hash.ts', 'config.ts'];
const PURE = ['ring', 'version', 'quorum', 'swim', 'merkle', 'paxos'];

/** Room -> rooms it may import. From `rpc` upwards `telemetry` is allowed as well. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  ring: [],
  version: [],
  quorum: ['version', 'ring'],
  swim: [],
  merkle: [],
  paxos: [],
  runtime: [],
  storage: ['runtime', 'telemetry'],
  rpc: ['runtime', 'telemetry', ...PURE],
  telemetry: [],
  replica: ['version', 'merkle', 'paxos', 'ring', 'storage', 'runtime', 'telemetry'],
  hints: ['version', 'storage', 'runtime', 'telemetry'],
  membership: ['swim', 'ring', 'paxos', 'rpc', 'runtime', 'storage', 'telemetry'],
  coordinator: [
    ...['ring', 'quorum', 'version', 'paxos', 'membership', 'replica', 'hints', 'rpc', 'runtime'],
    ...['storage', 'telemetry'],
  ],
  stabilizer: [
    ...['ring', 'quorum', 'merkle', 'version', 'membership', 'replica', 'hints', 'rpc', 'runtime'],
    ...['storage', 'telemetry'],
  ],
  http: ['coordinator', 'membership', 'stabilizer', 'quorum', 'version', 'runtime', 'telemetry'],
  cli: [],
};

/** Files at the top: they put everything together. */
const TOP = ['node.ts', 'main.ts'];

const IMPORT = /^(?:import|export)\b([^;]*?)\bfrom '([^']+)'|^import '([^']+)'/gms;
const DYNAMIC_IMPORT = /\bimport\('([^']+)'\)/g;

const EFFECTS =
  /\b(async|await|Promise|Date|setTimeout|setInterval|setImmediate|performance|process)\b|Math\.random|'node:/;
const MACHINE = new RegExp(
  [
    String.raw`\b(Date\.now|new Date\(\)|setTimeout|setInterval|setImmediate|queueMicrotask)`,
    String.raw`\b(performance\.|AbortSignal\.timeout|globalThis\.|process\.)|Math\.random`,
    `'node:(fs|net|timers|child_process|dns|worker_threads|crypto)`,
  ].join('|'),
);

interface Import {
  readonly typeOnly: boolean;
  readonly from: string;
}

describe.each(FILES)('src/%s', (file) => {
  const text = readFileSync(join(SRC, file), 'utf8');
  const code = withoutComments(text);
  const imports = importsOf(code);
  const room = roomOf(file);

  test('imports only what its room may', () => {
    if (TOP.includes(file)) return;
    for (const { from } of imports.filter(({ from }) => from.startsWith('.'))) {
      const target = normalize(join(dirname(file), from));
      if (LEVEL_0.includes(target)) continue;
      const targetRoom = roomOf(target);
      if (targetRoom === room) continue;
      expect(LEVEL_0, 'level 0 imports level 0 only').not.toContain(file);
      expect(MAY_IMPORT[room], `${room} may not import ${target}`).toContain(targetRoom);
    }
  });

  if (PURE.includes(room)) {
    test('is pure', () => {
      expect(code).not.toMatch(EFFECTS);
    });
  }

  if (!ownsMachine(file)) {
    test('reaches time, randomness and the machine by its ports only', () => {
      expect(code).not.toMatch(MACHINE);
    });
  }
});

test('each package is imported by one room', () => {
  const rooms = new Map<string, Set<string>>();
  for (const file of FILES) {
    for (const { from, typeOnly } of importsOf(
      withoutComments(readFileSync(join(SRC, file), 'utf8')),
    )) {
      if (from.startsWith('.') || from.startsWith('node:') || typeOnly) continue;
      const name = from
        .split('/')
        .slice(0, from.startsWith('@') ? 2 : 1)
        .join('/');
      if (name === 'typebox') continue;
      rooms.set(name, (rooms.get(name) ?? new Set()).add(roomOf(file)));
    }
  }
  const shared = [...rooms].filter(([, users]) => users.size > 1);
  expect(shared.map(([name, users]) => `${name}: ${[...users].join(', ')}`)).toEqual([]);
});

/** Adapters that own a port, and the edges of the process. */
function ownsMachine(file: string): boolean {
  return (
    /^runtime\/system-/.test(file) ||
    ['config.ts', 'main.ts'].includes(file) ||
    file.startsWith('cli/') ||
    ADAPTERS.includes(file)
  );
}

/** What each of them wraps is said at its top. */
const ADAPTERS: readonly string[] = [
  'rpc/authentication.ts',
  'rpc/peer-stream.ts',
  'storage/lmdb-folder.ts',
  'storage/lmdb-store.ts',
];

function roomOf(file: string): string {
  return file.includes('/') ? (file.split('/')[0] ?? '') : '';
}

function importsOf(code: string): readonly Import[] {
  const found: Import[] = [];
  for (const [, clause, from, bare] of code.matchAll(IMPORT)) {
    found.push({ typeOnly: /^\s*type\b/.test(clause ?? ''), from: from ?? bare ?? '' });
  }
  for (const [, from] of code.matchAll(DYNAMIC_IMPORT)) {
    found.push({ typeOnly: false, from: from ?? '' });
  }
  return found;
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
}
