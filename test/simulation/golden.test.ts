/**
 * Stories as they happened, message by message, in `golden/`: to read, and so that nobody changes a
 * conversation between nodes unawares. A change that is meant: `npx vitest run --project simulation golden --update`.
 */
import { describe, expect, test } from 'vitest';
import { ClientError } from '../../src/errors.ts';
import type { Key } from '../../src/ids.ts';
import { recordKey } from '../../src/storage/keys.ts';
import { openSealed } from '../../src/version/record-codec.ts';
import type { Version } from '../../src/version/version.ts';
import { Story } from '../simulator/story.ts';

const KEY = 'k' as Key;
/** Long enough for what goes on after an answer. */
const AFTERMATH_MS = 60;

describe('what happens, message by message,', () => {
  test('in a healthy put', async () => {
    const tale = await Tale.begin(
      'A put while all is well. node3 keeps no copy of the key itself.',
    );
    await tale.put(3, 'v');
    await tale.copies();
    await expect(tale.text).toMatchFileSnapshot('golden/healthy-put.txt');
  });

  test('while one replica is down', async () => {
    const tale = await Tale.begin(
      'A put and a get while one of the three replicas is down: nobody waits for it.',
    );
    tale.happens('node1 crashes', (story) => story.cluster.crash(story.node(1)));
    await tale.put(3, 'v');
    await tale.get(4);
    await tale.copies();
    await expect(tale.text).toMatchFileSnapshot('golden/one-replica-down.txt');
  });

  test('in a split that heals', async () => {
    const tale = await Tale.begin(
      'node4 and node5 are cut off: their side has one replica of three, and refuses; the other\n' +
        'side goes on. After the split, the first read brings node5 what it missed.',
    );
    await tale.put(3, 'before');
    await tale.copies();
    tale.happens('node4 and node5 are cut off from the others', ({ network }) => {
      for (const here of ['node1', 'node2', 'node3']) {
        for (const there of ['node4', 'node5']) {
          network.cut(here, there);
          network.cut(there, here);
        }
      }
    });
    await tale.put(4, 'lost');
    await tale.put(3, 'after');
    await tale.copies();
    tale.happens('the split heals', ({ network }) => network.mend());
    await tale.get(4);
    await tale.copies();
    await expect(tale.text).toMatchFileSnapshot('golden/split-and-heal.txt');
  });

  test('when a record is damaged', async () => {
    const tale = await Tale.begin(
      'One bit flips in the copy on node2. The read that meets it returns what the others hold,\n' +
        'and node2 gets a sound copy, merged from enough of the others to miss no write.',
    );
    await tale.put(3, 'v');
    await tale.flipBit(2);
    await tale.copies();
    await tale.get(3);
    await tale.copies();
    await expect(tale.text).toMatchFileSnapshot('golden/damaged-record.txt');
  });
});

/** Tells a story: what clients do, the messages about records and what nodes log; no pings. */
class Tale {
  readonly #story: Story;
  readonly #keepers: readonly number[];
  /** Where the key lies on the disks. */
  readonly #place: Uint8Array;
  readonly #beganMs: number;
  readonly #lines: string[];
  readonly #versions: Version[] = [];

  private constructor(story: Story, keepers: readonly number[], place: Uint8Array, about: string) {
    this.#story = story;
    this.#keepers = keepers;
    this.#place = place;
    this.#beganMs = Number(story.scheduler.nowMs.toFixed(3)); // as in the trace
    const comments = about.split('\n').map((line) => `# ${line}`);
    const names = keepers.map((number) => `node${number}`).join(', ');
    this.#lines = [...comments, `# The replicas of ${KEY}: ${names}. Times in milliseconds.`];
  }

  static async begin(about: string): Promise<Tale> {
    const story = await Story.begin();
    await story.pass(5_000); // the clocks of all have been compared
    const { keepers } = await story.replicasOf(KEY);
    const { partition } = await story.run(story.at(1).operations.locate(KEY, 1_000));
    return new Tale(story, keepers, recordKey(1, partition, KEY), about);
  }

  get text(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  async put(by: number, value: string): Promise<void> {
    await this.#ask(`client > node${by} put ${KEY} = "${value}"`, by, async () => {
      const { created } = await this.#story.put(by, KEY, value);
      return created ? 'stored, new' : 'stored';
    });
  }

  async get(by: number): Promise<void> {
    await this.#ask(
      `client > node${by} get ${KEY}`,
      by,
      async () => `"${await this.#story.get(by, KEY)}"`,
    );
  }

  happens(what: string, act: (story: Story) => void): void {
    this.#lines.push('');
    this.#say(`-- ${what} --`);
    act(this.#story);
  }

  async flipBit(number: number): Promise<void> {
    this.happens(`a bit flips on the disk of node${number}`, () => undefined);
    const { durable } = this.#story.node(number).disk;
    const flipped = Uint8Array.from((await durable.get(this.#place)) ?? []);
    flipped[flipped.length - 1] = (flipped[flipped.length - 1] ?? 0) ^ 1;
    await durable.batch([{ type: 'put', key: this.#place, value: flipped }]);
  }

  /** What lies on the disks of the replicas; versions are counted in the order in which they appear. */
  async copies(): Promise<void> {
    const copies = this.#keepers.map(async (number) => {
      const bytes = await this.#story.node(number).disk.durable.get(this.#place);
      if (bytes === undefined) return `nothing on node${number}`;
      const record = openSealed(bytes);
      if (record === undefined) return `a damaged record on node${number}`;
      return `version ${this.#numberOf(record.version)} on node${number}`;
    });
    this.#say(`on disk: ${(await Promise.all(copies)).join(', ')}`);
  }

  async #ask(request: string, by: number, act: () => Promise<string>): Promise<void> {
    const { trace, scheduler } = this.#story;
    const from = trace.lines;
    trace.line(scheduler.nowMs, request);
    const answer = await act().catch((error: unknown) => {
      if (!(error instanceof ClientError)) throw error;
      return `${error.code}, ${error.outcome}`;
    });
    trace.line(scheduler.nowMs, `node${by} > client ${answer}`);
    await this.#story.pass(AFTERMATH_MS);
    this.#lines.push('');
    for (const { atMs, text } of messages(trace.last.slice(from))) this.#say(text, atMs);
  }

  #say(text: string, atMs = this.#story.scheduler.nowMs): void {
    this.#lines.push(`${(atMs - this.#beganMs).toFixed(1).padStart(7)}  ${text}`);
  }

  #numberOf(version: Version): number {
    if (!this.#versions.includes(version)) this.#versions.push(version);
    return this.#versions.indexOf(version) + 1;
  }
}

/** The lines of a trace that are about records or logged, those of one message as one. */
function messages(lines: readonly string[]): readonly { atMs: number; text: string }[] {
  const told: { atMs: number; text: string }[] = [];
  for (const line of lines) {
    const space = line.indexOf(' ');
    const text = line.slice(space + 1);
    const before = told.at(-1);
    if (text === 'cut off' && before !== undefined) before.text += ': cut off';
    else told.push({ atMs: Number(line.slice(0, space)), text });
  }
  return told.filter(({ text }) => !/ (membership|swim)\./.test(text));
}
