/**
 * `make bench-heal`: what it takes to notice that a node is gone, to go on without it, and to heal. Five
 * nodes on this machine with LMDB in temporary folders; KEYS=n (100,000) keys of 100 bytes, three
 * replicas, 256 partitions. The exit code is 1 when a figure is not what it should be.
 */
import { clusterReport, ringReport, settled } from '../test/faults/cluster-report.ts';
import { FaultCluster, type FaultNode } from '../test/faults/fault-cluster.ts';
import { keptBadly, keyNames, misread, writeToAll } from '../test/faults/keys.ts';
import { latenciesMs, percentile } from '../test/faults/latencies.ts';
import { Load } from '../test/faults/load.ts';
import { sendAway } from '../test/faults/operator.ts';
import { pause } from '../test/faults/pause.ts';
import { movesBetween } from '../test/ring/placement.ts';
import { EventWatch, type SeenEvent } from './event-watch.ts';
import { Figures, remark } from './figures.ts';
import { badlyKept, COPIES, fill, getSome, putSome, recordBytes } from './known-keys.ts';
import { fewestMoves, spreadOf } from './moves.ts';
import { SteadyWriters } from './steady-writers.ts';

/** A killed node is started again within this time, and one that stays away need not be waited for long. */
const GRACE_MS = 10_000;
const ENVIRONMENT = {
  QUORATE_REPLICATION_FACTOR: String(COPIES),
  QUORATE_REPLACE_AFTER: `${GRACE_MS}ms`,
  QUORATE_LOG_LEVEL: 'info', // it says how much was pulled
};
const LONGEST_RUN_MS = 20 * 60_000;
/** After a strike: long enough for all that it may cause. */
const AFTERMATH_MS = 3_000;
const HEALED_WITHIN_MS = 120_000;
/** Of the light requests by which the foreground is judged. */
const LIGHT_EVERY_MS = 10;
const QUIET_MS = 10_000;

const figures = new Figures();
const clusters: FaultCluster[] = [];
const tooLong = setTimeout(() => void end(`not done within ${LONGEST_RUN_MS} ms`), LONGEST_RUN_MS);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void end(signal));
try {
  await fiveNodes();
  await threeToSevenToFour();
} catch (error) {
  await end(error instanceof Error ? (error.stack ?? error.message) : String(error));
}
clearTimeout(tooLong);
await stopAll();
process.exit(figures.missed === 0 ? 0 : 1);

async function fiveNodes(): Promise<void> {
  const cluster = await start(5);
  await fill(cluster);
  // Counted now: after a crash counts are low until a scrub is through.
  const keysToLose = await keysOf(cluster.node(5));
  const watch = await EventWatch.over(cluster.nodes);
  await pauseOne(cluster, watch);
  await silenceOne(cluster, watch);
  await killEach(cluster, watch);
  // A node that was away missed writes. Where copies differ a newer record moves behind an older one, more or
  // fewer of them as this machine writes faster or slower, so "had to move" would mean little.
  await fill(cluster);
  await loseOne(cluster, watch, keysToLose);
  await comeAndGo(cluster);
  watch.close();
  await stopAll();
}

async function start(nodes: number): Promise<FaultCluster> {
  const cluster = await FaultCluster.start({ nodes, environment: ENVIRONMENT });
  clusters.push(cluster);
  return cluster;
}

async function pauseOne(cluster: FaultCluster, watch: EventWatch): Promise<void> {
  const sinceMs = performance.now();
  cluster.node(2).pause();
  await pause(3_000);
  cluster.node(2).resume();
  await pause(2 * AFTERMATH_MS);
  const convicted = watch.since(sinceMs).filter(({ type }) => type === 'member.dead');
  figures.none('a pause of 3 s: members declared dead, by anybody', convicted.length);
  await settled(cluster.nodes);
}

async function silenceOne(cluster: FaultCluster, watch: EventWatch): Promise<void> {
  const silent = cluster.node(3);
  const sinceMs = performance.now();
  silent.pause();
  try {
    const deaths = await deathsOf(silent, cluster, watch, sinceMs);
    figures.within('silent: dead to each of the others after', deaths, 4, 8, 's');
  } finally {
    silent.resume();
  }
  await settled(cluster.nodes);
}

/** Each node in turn, while a writer at each of the others goes on. */
async function killEach(cluster: FaultCluster, watch: EventWatch): Promise<void> {
  const deaths: number[] = [];
  const gaps: number[] = [];
  const quietGaps: number[] = [];
  const restarts: number[] = [];
  const failures: string[] = [];
  for (const struck of cluster.nodes) {
    const others = cluster.nodes.filter((node) => node !== struck);
    const writers = new SteadyWriters(others, putSome);
    await pause(AFTERMATH_MS);
    quietGaps.push(writers.takeLongestMs());
    const sinceMs = performance.now();
    await struck.kill();
    deaths.push(...(await deathsOf(struck, cluster, watch, sinceMs)));
    await pause(AFTERMATH_MS - (performance.now() - sinceMs));
    gaps.push(writers.takeLongestMs());
    await writers.stop();
    failures.push(...writers.failures);
    restarts.push(await secondsToServe(struck));
    await settled(cluster.nodes);
  }
  figures.below('killed: dead to all others after, worst of five', Math.max(...deaths), 3, 's');
  figures.below(
    'longest gap in writes through others after kill -9, worst of five',
    Math.max(...gaps),
    100,
    'ms',
  );
  remark(`longest gap while nothing is wrong: ${Math.max(...quietGaps).toFixed(0)} ms`);
  figures.none('failed operations that were not in flight on the killed node', failures.length);
  for (const failure of new Set(failures)) remark(failure);
  figures.below(
    'killed, started again: serves after, worst of five',
    Math.max(...restarts),
    3,
    's',
  );
}

/** A node that stays away: replaced, and its data (so many `keys`) copied, while light requests go on. */
async function loseOne(cluster: FaultCluster, watch: EventWatch, keys: number): Promise<void> {
  const lost = cluster.node(5);
  const others = cluster.nodes.filter((node) => node !== lost);
  const before = await placementOf(others);
  const quiet = await lightRequests(others, pause(QUIET_MS));
  const sinceMs = performance.now();
  await lost.kill();
  const joint = await watch.until('a replacement', GRACE_MS + HEALED_WITHIN_MS, () =>
    watch.since(sinceMs).find(({ type }) => type === 'ring.joint'),
  );
  const healed = settledOnAll(others, watch, joint);
  const busy = await lightRequests(others, healed);
  const healedAfterMs = (await healed) - joint.atMs;
  await settled(others);

  const after = await placementOf(others);
  figureMoves('death', before, after, others);
  const what = 'replacement decided: every key on three live members after';
  figures.below(what, healedAfterMs / 1_000, 10, 's');
  const factor = percentile(busy, 0.99) / percentile(quiet, 0.99);
  figures.atMost('p99 of light requests meanwhile, next to a quiet time', factor, 2, 'x');
  remark(
    `p99 ${percentile(busy, 0.99).toFixed(1)} ms over ${busy.length} requests, ` +
      `quiet ${percentile(quiet, 0.99).toFixed(1)} ms over ${quiet.length}`,
  );
  const sent = others.reduce((sum, node) => sum + bytesSent(node, joint.epoch), 0);
  const share = sent / (keys * recordBytes());
  figures.atMost(
    'bytes on transfer connections, next to the records that had to move',
    share,
    1.1,
    'x',
  );
  remark('questions, digests, keys of pages and frames are among the bytes');
  if (share < 0.99) remark('less than had to move: the light requests wrote some of it anew');
  figures.none('keys of a sample that are not on three members', await badlyKept(others));
  await cluster.discard(lost);
}

async function comeAndGo(cluster: FaultCluster): Promise<void> {
  const before = await placementOf(cluster.nodes);
  const newcomer = await cluster.add();
  await settled(cluster.nodes);
  const between = await placementOf(cluster.nodes);
  figureMoves('join', before, between, cluster.nodes);

  const staying = cluster.nodes.filter(({ number }) => number !== 1);
  await sendAway(cluster.node(1), newcomer);
  await settled(staying);
  figureMoves('leave', between, await placementOf(staying), staying);
}

async function threeToSevenToFour(): Promise<void> {
  const cluster = await start(3);
  const cold = keyNames(1_000);
  await writeToAll(cluster.nodes, cold, 'cold');
  const load = new Load(cluster, { clients: 16, keysAtOnce: 48, retryForMs: 10_000, restMs: 10 });
  await load.progress(100);
  for (let grown = 0; grown < 2; grown++) {
    await Promise.all([cluster.add(), cluster.add()]);
    await settled(cluster.nodes);
    await load.progress(100);
  }
  const leavers = [1, 2, 6].map((number) => cluster.node(number));
  const staying = cluster.nodes.filter((node) => !leavers.includes(node));
  for (const leaver of leavers) {
    const [through] = staying;
    if (through !== undefined) await sendAway(leaver, through);
  }
  await settled(staying);
  await load.progress(100);
  for (const leaver of leavers) await cluster.discard(leaver);
  // What clients keep writing and repairing is there even when nothing is handed over.
  const misplaced = await keptBadly(staying, cold, COPIES);
  const misreadKeys = await misread(staying, cold, 'cold');
  const { lost, flaws, failed, acknowledged, reads } = await load.verdict();
  remark(`3, 5, 7, 4 members under load: ${acknowledged} writes acknowledged, ${reads} reads`);
  figures.none('3, 5, 7, 4 members: acknowledged writes lost', lost.length + misreadKeys.length);
  figures.none('3, 5, 7, 4 members: keys that are not on three members', misplaced.length);
  figures.none('3, 5, 7, 4 members: keys with stale quorum reads', flaws.length);
  figures.none('3, 5, 7, 4 members: requests that failed for good', failed.length);
  for (const wrong of [...lost, ...misreadKeys, ...misplaced, ...flaws, ...failed].slice(0, 10))
    remark(wrong);
}

/** Seconds until each of the others says that it is dead. */
async function deathsOf(
  struck: FaultNode,
  cluster: FaultCluster,
  watch: EventWatch,
  sinceMs: number,
): Promise<readonly number[]> {
  const others = cluster.nodes.filter((node) => node !== struck);
  return watch.until(`the death of ${struck.name}`, 30_000, () => {
    const told = watch
      .since(sinceMs)
      .filter(({ type, member }) => type === 'member.dead' && member === struck.name);
    const first = others.map(({ name }) => told.find(({ by }) => by === name));
    const seconds = first.flatMap((event) => (event ? [(event.atMs - sinceMs) / 1_000] : []));
    return seconds.length === others.length ? seconds : undefined;
  });
}

/** Starts a node that was killed; seconds until a write through it is acknowledged. */
async function secondsToServe(node: FaultNode): Promise<number> {
  const startedMs = performance.now();
  node.start();
  await node.ready();
  const failure = await putSome(node, 0);
  if (failure !== undefined) throw new Error(`${node.name} is ready and refuses: ${failure}`);
  return (performance.now() - startedMs) / 1_000;
}

/**
 * When the ring was settled on all of them without the lost one: each has pulled all that it keeps, which
 * `badlyKept` checks. (The counts of keys would not do: after a crash they are low until a scrub is through.)
 */
async function settledOnAll(
  others: readonly FaultNode[],
  watch: EventWatch,
  joint: SeenEvent,
): Promise<number> {
  return watch.until('a settled ring on all nodes', HEALED_WITHIN_MS, () => {
    const settled = watch
      .since(joint.atMs)
      .filter(({ type, epoch }) => type === 'ring.settled' && (epoch ?? 0) > (joint.epoch ?? 0));
    const names = new Set(settled.map(({ by }) => by));
    if (!others.every(({ name }) => names.has(name))) return undefined;
    return Math.max(...settled.map(({ atMs }) => atMs));
  });
}

/** Puts and gets at a steady pace; how long each took. */
function lightRequests(
  nodes: readonly FaultNode[],
  until: Promise<unknown>,
): Promise<readonly number[]> {
  const request = async (count: number): Promise<void> => {
    const node = nodes[count % nodes.length];
    if (node === undefined) return;
    const failure = count % 2 === 0 ? await putSome(node, count) : await getSome(node, count);
    if (failure !== undefined) throw new Error(`a light request failed: ${failure}`);
  };
  return latenciesMs(request, LIGHT_EVERY_MS, until);
}

async function keysOf(node: FaultNode): Promise<number> {
  const report = await clusterReport(node);
  return report?.members.find(({ name }) => name === node.name)?.keys ?? 0;
}

type Placement = readonly (readonly string[])[];

async function placementOf([node]: readonly FaultNode[]): Promise<Placement> {
  if (node === undefined) throw new RangeError('no node');
  return (await ringReport(node)).partitions.map(({ replicas }) => replicas);
}

function figureMoves(
  change: string,
  before: Placement,
  after: Placement,
  members: readonly FaultNode[],
): void {
  const names = members.map(({ name }) => name);
  const fewest = fewestMoves(before, names, COPIES);
  const factor = movesBetween(before, after) / fewest;
  figures.atMost(`${change}: replicas moved, next to the fewest possible`, factor, 1, 'x');
  figures.atMost(
    `${change}: partitions between fullest and emptiest member`,
    spreadOf(after),
    1,
    '',
  );
}

/** What went over the connections by which a node pulls, both ways, by its own log; not a number when it does not say, which no figure passes. */
function bytesSent(node: FaultNode, epoch: number | undefined): number {
  const lines = node.said.split('\n').filter((line) => line.includes('all partitions are pulled'));
  const told = lines.map((line) => JSON.parse(line) as { epoch: number; bytesOnTheWire: number });
  return told.find((each) => each.epoch === epoch)?.bytesOnTheWire ?? Number.NaN;
}

async function end(why: string): Promise<never> {
  console.error(why);
  await stopAll();
  process.exit(1);
}

async function stopAll(): Promise<void> {
  for (const cluster of clusters.splice(0)) await cluster.stop();
}
