import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const missing = whatIsMissing();
if (missing !== undefined) console.log(`SKIPPED test/containers: ${missing}`);

/** The way that the README shows, with whichever compose there is; the ports are those of the file. */
describe.skipIf(missing !== undefined)(`five nodes in containers${missing ?? ''}`, () => {
  afterAll(() => {
    make('down');
  });

  test('come up, lose one, get it back, and leave nothing', async () => {
    make('up');
    expect(healthy()).toBe(5);

    const written = await fetch('http://127.0.0.1:7401/kv/hello', { method: 'PUT', body: 'world' });
    expect(written.status).toBe(201);
    expect(await read(7403)).toBe('world');
    expect(make('status')).toMatch(/5 of 5 members alive/);

    make('kill', 'n=3');
    await expect(fetch('http://127.0.0.1:7403/livez')).rejects.toThrow();
    for (const port of [7401, 7402, 7404, 7405]) expect(await read(port)).toBe('world');
    const again = await fetch('http://127.0.0.1:7402/kv/hello', { method: 'PUT', body: 'again' });
    expect(again.status).toBe(200);

    make('revive', 'n=3');
    expect(healthy()).toBe(5);
    expect(await read(7403)).toBe('again');

    make('down');
    for (const list of [['ps', '--all'], ['volume', 'ls'], ['network', 'ls'], ['images']]) {
      expect(docker(...list, '--format', '{{json .}}')).not.toMatch(/data[1-5]|node[1-5]|quorate/);
    }
  });
});

/** On a slow machine the lost node would be replaced before it is back, and start again as another one. */
const ENV = { ...process.env, QUORATE_REPLACE_AFTER: '1h' };

async function read(port: number): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}/kv/hello`)).text();
}

function healthy(): number {
  const names = docker('ps', '--filter', 'health=healthy', '--format', '{{.Names}}');
  return names.split('\n').filter((name) => /node[1-5]/.test(name)).length;
}

function make(...target: readonly string[]): string {
  return run('make', ['--silent', ...target]);
}

function docker(...args: readonly string[]): string {
  return run('docker', args);
}

function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: ROOT,
    env: ENV,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout + stderr;
}

function whatIsMissing(): string | undefined {
  if (!works('docker', 'info')) return 'no container engine runs here';
  if (works('docker', 'compose', 'version') || works('docker-compose', 'version')) return undefined;
  return 'there is neither Compose 2 nor docker-compose';
}

function works(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}
