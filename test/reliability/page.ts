/**
 * `docs/reliability.md`, made of what was measured and of the tables beside this file. The text is all
 * here, so that a number in it cannot outlive the run that it came from.
 */
import { MUTANTS } from '../mutants/mutants.ts';
import { DECISION_SPLIT } from '../simulator/decision-splits.ts';
import { FAULT_KINDS } from '../simulator/faults.ts';
import { CHECKERS, type CheckerName } from '../simulator/flaw.ts';
import { CHANGE_KINDS } from '../simulator/ring-changes.ts';
import type { CodeVersion, RunRecord } from '../simulator/run-record.ts';
import { FAILURE_MODES, type FailureMode } from './failure-modes.ts';
import { FOUND_BY_REAL_PROCESSES, FOUND_BY_SIMULATION, type FoundBug } from './found-bugs.ts';

/** The seeds that killed the mutants, as `make mutants` recorded them. */
export type KillingSeeds = Readonly<
  Partial<
    Record<
      string,
      {
        readonly seed?: number;
        readonly by?: readonly CheckerName[];
        readonly alone?: number;
      }
    >
  >
>;

export interface Records {
  readonly run: RunRecord;
  readonly kills: KillingSeeds;
}

/** So many seeds without a violation, before anything is called done. */
const SEEDS_WANTED = 20_000;

export function reliabilityPage({ run, kills }: Records): string {
  return `# How it was tried

*Written by \`make reliability\`; do not edit. The texts and tables are in \`test/reliability\`, the numbers in
\`test/simulation/last-long-run.json\` (\`make simulate RUNS=n RECORD=1\`) and \`test/mutants/killing-seeds.json\`
(\`make mutants FRESH=1\`).*

None of this proves that Quorate is right. It says what was tried, how often, what it would have noticed, what it did
notice, and what it cannot see.

## The last long run

${lastRun(run)}

${runTable(run)}

| fault | runs in which it did something | |
|---|---|---|
${rows(Object.entries(run.runsWith).map(([kind, runs]) => [code(kind), count(runs), percent(runs / run.seeds)]))}

## What the simulator does

A run is three to nine real nodes in one process on virtual time. It is the code that ships, from what the HTTP server calls
down to the ports for network, disk, clock and chance; behind those are simulated ones. Everything about a run follows from one number, its seed: how many copies, which
consistency level, how many clients and keys, how fast the disks and the network are, which of the ${FAULT_KINDS.length} kinds of
faults strike, whom and when. Two to ten clients put, get and delete for 5, 12 or 18 simulated seconds while messages get lost,
nodes crash, disks fill up and clocks jump; then all faults end, and the cluster has to come back by itself. ${CHECKERS.length}
judges look at what clients were told and at every batch that reached a disk. Each seed runs twice and has to do the
same both times.

In about half of the runs the ring changes meanwhile, in ${CHANGE_KINDS.length} ways: ${codes(CHANGE_KINDS)}. Nodes are
started and taken in, sent away, given up; they die for longer than the grace period, which is a few seconds then, are replaced and come
back with their old disks; parts of the cluster are cut off for as long; the replication factor goes up and down. Often two
changes meet in one epoch, or the next one comes before the data of the last one has moved. And in some runs so many members die at
once that an operator has the rest go on without them (\`force\`); in some the network splits in the very moment in which a ring
with other voters is decided (\`${DECISION_SPLIT}\`).

The faults keep to what was promised: at most one node's disk is damaged or lost, only with three copies or more, and
not while another copy is away; and of any replica set so many members stay that it can be recovered in full. In three of ten of
the runs with changes more members die than that. Then the survivors go on alone, which loses what only the dead knew
until they are back; the judges hold such runs to the rest: no two answers at once, and all there in the end.

To run it again, with the same seeds or with others:

    make simulate SEED=${run.firstSeed} RUNS=${run.seeds}
    make simulate SEED=17          # one seed, with its trace
    make mutants                   # the planted bugs
    make faults                    # real processes, hours
    make fuzz

## What it does not cover

- **HTTP, the sockets between nodes, LMDB and Redis.** They have tests of their own, with real processes, killed, paused,
  cut off and damaged; those follow no seed, and a machine's timing differs each time.
- **Threads and the machine.** A simulated node is never short of processor time or memory, its event loop is never
  blocked, and its system calls do not fail except for syncs and full disks.
- **Other disks.** A simulated disk loses what was not synced, tears, flips, swaps and vanishes. It does not claim
  a sync that never was, nor return an old state of a sector after a new one was read.
- **Scale.** Nine nodes, twenty keys at most, values of a few bytes, a few seconds. What takes hours or a million
  keys does not happen.
- **What is not built:** hints, anti-entropy, conditional writes, expiry.
- **What the judges do not ask.** They are as good as the planted bugs below show, and those were chosen by the same people.

## Planted bugs

A judge that never speaks may be right, or blind. So \`make mutants\` plants bugs in copies of the compiled code
([adr/0006](adr/0006-mutants-as-patches.md)) and runs seeds until a judge objects; the same seeds without a planted bug have to be
clean. ${MUTANTS.length} of them, a seed that gave each away, and who noticed:

| planted bug | what is wrong then | seed | noticed by |
|---|---|---|---|
${rows(MUTANTS.map(({ name, wrong }) => [code(name), wrong, seedOf(kills[name]?.seed), codes(kills[name]?.by)]))}

For each judge there is a planted bug and a seed under which nobody else noticed, so none of them is there for show:

| judge | planted bug | seed |
|---|---|---|
${rows(CHECKERS.flatMap((checker) => aloneRow(checker, kills)))}

## Bugs that were found

By simulated runs. A seed means something else once the simulator draws differently; what it showed then is told in the commit.

| what was wrong | seeds | mended by |
|---|---|---|
${rows(FOUND_BY_SIMULATION.map((bug) => [bug.wrong, seedsOf(bug), commitOf(bug)]))}

By real processes and by fuzzing:

| what was wrong | mended by |
|---|---|
${rows(FOUND_BY_REAL_PROCESSES.map((bug) => [bug.wrong, commitOf(bug)]))}

## Ways to fail, and the test for each

The numbers are those of the list of failure modes that the project works along; those that are missing here belong to
later work. A test that runs for many cases is named as it is written, with its placeholders.

| | what goes wrong | tests (below \`test/\`) | in simulated runs |
|---|---|---|---|
${rows(FAILURE_MODES.map((mode) => [mode.number, mode.words, testsOf(mode), simulatedOf(mode)]))}
`;
}

function lastRun({ seeds, violations, date, code }: RunRecord): string {
  const verdict = violations === 0 ? 'no violation' : `${count(violations)} violations`;
  const enough =
    seeds >= SEEDS_WANTED
      ? ''
      : ` Before anything is called done it takes ${count(SEEDS_WANTED)}: **this run was shorter.**`;
  return `**${count(seeds)} seeds, ${verdict}**; begun ${date.slice(0, 16).replace('T', ' ')} UTC, ${codeOf(code)}.${enough}`;
}

function codeOf({ commit, changed }: CodeVersion): string {
  if (commit === undefined) return 'at a commit that nobody knows';
  return `at commit \`${commit.slice(0, 12)}\`${changed ? ' **and changes that were not committed**' : ''}`;
}

function runTable(run: RunRecord): string {
  const { firstSeed, lastSeed, events, simulatedHours, succeeded, failed, seconds, seeds } = run;
  const operations = succeeded + failed;
  return `| | |
|---|---|
${rows([
  ['seeds', `${firstSeed} to ${lastSeed}, each run twice`],
  ['simulated time', `${simulatedHours.toFixed(1)} hours, ${count(events)} events`],
  [
    "clients' operations",
    `${count(operations)}; ${percent(succeeded / operations)} succeeded while faults struck`,
  ],
  ['it took', `${count(seconds)} s, ${(seeds / seconds).toFixed(1)} seeds a second`],
])}`;
}

function aloneRow(checker: CheckerName, kills: KillingSeeds): readonly (readonly string[])[] {
  return MUTANTS.filter(({ alone }) => alone === checker).map(({ name }) => [
    code(checker),
    code(name),
    seedOf(kills[name]?.alone),
  ]);
}

function seedOf(seed: number | undefined): string {
  return seed === undefined ? '**none**' : String(seed);
}

function seedsOf({ seeds }: FoundBug): string {
  return seeds.length === 0 ? 'not kept' : seeds.join(', ');
}

function commitOf({ commit, subject }: FoundBug): string {
  return `\`${commit}\` ${subject}`;
}

function testsOf({ tests, notYet }: FailureMode): string {
  if (notYet !== undefined) return `none: ${notYet}`;
  const files = [...new Set(tests.map(([file]) => file))];
  return files
    .map((file) => {
      const names = tests.filter(([own]) => own === file).map(([, name]) => `"${name}"`);
      return `${code(file)}: ${names.join('; ')}`;
    })
    .join('<br>');
}

function simulatedOf({ faults, judges, mutants }: FailureMode): string {
  return [
    ...(faults === undefined ? [] : [`faults ${codes(faults)}`]),
    ...(judges === undefined ? [] : [`judges ${codes(judges)}`]),
    ...(mutants === undefined ? [] : [`planted ${codes(mutants)}`]),
  ].join('<br>');
}

function rows(rows: readonly (readonly string[])[]): string {
  return rows
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');
}

function codes(words: readonly string[] = []): string {
  return words.map(code).join(', ');
}

function code(word: string): string {
  return `\`${word}\``;
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
