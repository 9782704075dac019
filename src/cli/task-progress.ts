/** Waits for a task of the cluster, and says how far it is. */
import { setTimeout as delay } from 'node:timers/promises';
import { CommandError } from './command-error.ts';
import type { NodeClient } from './node-client.ts';
import { type JsonObject, jsonObjectOf, objectsIn, problemOf } from './problem.ts';
import { cell } from './table.ts';
import type { Terminal } from './terminal.ts';

const LOOK_EVERY_MS = 300;
/** A node that was asked may restart, or be the one that leaves: that ends no task. */
const MAX_FAILURES = 20;
/** Without progress for so long, whoever waits is told that nothing has to be done for it. */
const REMIND_AFTER_MS = 10_000;

/** Where a task is, as one answer of a node tells it. */
type Standing =
  | { readonly state: 'running'; readonly progress: string }
  | { readonly state: 'continued'; readonly by: string }
  | { readonly state: 'done' };

/**
 * Resolves when the task, or the one that continues it, has ended. Nobody has to stay for it: a task goes
 * on without those who wait. @throws CommandError when no node tells of it any more.
 */
export async function followTask(
  task: string,
  client: NodeClient,
  terminal: Terminal,
): Promise<void> {
  let followed = task;
  let told = '';
  let toldAtMs = performance.now();
  for (let failures = 0; ; await delay(LOOK_EVERY_MS)) {
    let standing: Standing;
    try {
      standing = standingOf(followed, await tasksOf(client));
      failures = 0;
    } catch (error) {
      failures += 1;
      if (failures < MAX_FAILURES) continue;
      throw inDoubt(followed, error);
    }
    if (standing.state === 'done') return;
    if (standing.state === 'continued') {
      followed = standing.by;
      terminal.tell(`something else was asked for meanwhile; task ${cell(followed)} goes on`);
      toldAtMs = performance.now();
    } else if (standing.progress !== told) {
      told = standing.progress;
      terminal.tell(`${cell(followed)}: ${told}`);
      toldAtMs = performance.now();
    } else if (performance.now() - toldAtMs > REMIND_AFTER_MS) {
      terminal.tell(
        'no progress for a while; `quorate status` says who is still pulling. ctrl-c ends the waiting, not the task',
      );
      toldAtMs = Number.POSITIVE_INFINITY; // once until something moves
    }
  }
}

async function tasksOf(client: NodeClient): Promise<JsonObject> {
  const answer = await client.read({ method: 'GET', path: '/cluster/tasks' });
  const tasks = jsonObjectOf(answer);
  if (answer.status !== 200 || tasks === undefined) throw problemOf(answer);
  return tasks;
}

function standingOf(task: string, { epoch, tasks }: JsonObject): Standing {
  const known = objectsIn(tasks);
  const found = known.find((one) => one['task'] === task);
  const running = known.find((one) => one['state'] === 'running');
  if (found === undefined) {
    // The node asked has not heard of it yet, or does not remember it any more: its ring tells which.
    if (Number(epoch) <= epochOf(task))
      return { state: 'running', progress: 'waiting to hear of it' };
    if (running === undefined) return { state: 'done' };
    return { state: 'continued', by: String(running['task']) };
  }
  if (found['state'] === 'continued')
    return { state: 'continued', by: String(found['continuedBy']) };
  if (found['state'] === 'done') return { state: 'done' };
  const progress = `${cell(found['pulled'])} of ${cell(found['toPull'])} partitions pulled`;
  return { state: 'running', progress };
}

/** A task is named after the ring that it carries out. */
function epochOf(task: string): number {
  return Number(task.replace(/^ring-/, ''));
}

function inDoubt(task: string, cause: unknown): CommandError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new CommandError(
    `task ${cell(task)} was started, and how far it is cannot be told: ${why}`,
    { cause, exit: cause instanceof CommandError ? cause.exit : 'error' },
  );
}
