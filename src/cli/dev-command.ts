/** A whole cluster in one terminal: `quorate dev`. */
import { loadConfig, parseDuration } from '../config.ts';
import { CommandError } from './command-error.ts';
import { DevCluster, type StartOutcome } from './dev-cluster.ts';
import { closeHome, type DevHome, openHome, ownSecretFile, readSecret } from './dev-home.ts';
import { type DevNode, devNodes } from './dev-nodes.ts';
import {
  addingLine,
  endingOf,
  lastWords,
  nodesAsJson,
  nodesAsTable,
  restartLine,
} from './dev-report.ts';
import type { Ending, NodeProcess } from './node-process.ts';
import { pickFreePorts, unusablePorts } from './ports.ts';
import { StopRequest, whenAborted } from './stop-request.ts';
import type { Terminal } from './terminal.ts';

export interface DevOptions {
  readonly nodes: number;
  /** The first node's; 0: free ones. */
  readonly port: number;
  readonly dataDir?: string;
  readonly replicationFactor?: string;
  /** As written. */
  readonly readyWithin: string;
  readonly json?: boolean;
}

/** What stays the same over a run. */
interface Run {
  readonly options: DevOptions;
  readonly command: readonly string[];
  readonly terminal: Terminal;
  readonly home: DevHome;
  /** Of the secret that `dev` has drawn; `undefined`: the user configured one. */
  readonly secretFile: string | undefined;
  readonly stop: StopRequest;
}

/**
 * Runs until it is asked to stop. `command` is how this program was started: each node is another
 * process of it. @throws CommandError
 */
export async function dev(
  options: DevOptions,
  command: readonly string[],
  terminal: Terminal,
): Promise<void> {
  const ports = await choosePorts(options);
  const stop = new StopRequest();
  const home = await openHome(options.dataDir);
  let nodes: readonly DevNode[] = [];
  try {
    const secretFile = await ownSecretFile(home, terminal.environment);
    const run = { options, command, terminal, home, secretFile, stop };
    const cluster = await startCluster(run, ports);
    if (cluster === undefined) return;
    nodes = cluster.processes.map(({ node }) => node);
    await serve(run, cluster);
  } finally {
    await leave(home, nodes, terminal);
    stop.release();
  }
}

/**
 * All nodes, ready; `undefined` when it was asked to stop before. Otherwise nothing is left running.
 * @throws CommandError
 */
async function startCluster(
  run: Run,
  chosenPorts: readonly number[],
): Promise<DevCluster | undefined> {
  const { options, stop } = run;
  let ports = chosenPorts;
  for (let triesLeft = 1; ; triesLeft--) {
    const cluster = new DevCluster(await nodesOn(ports, run), run.command, stop.insisted);
    const outcome = await cluster.started(parseDuration(options.readyWithin), stop.asked);
    if (outcome.type === 'ready') return cluster;

    const failure = startFailure(outcome, options); // reads the logs, which may be gone afterwards
    await shutDown(cluster, run);
    if (stop.asked.aborted) return undefined;
    const taken = await unusablePorts(ports);
    if (taken.length > 0 && options.port !== 0) throw portError(taken, options);
    if (taken.length === 0 || triesLeft === 0) throw failure;
    // Somebody took a free port between the choice and its use: choose others, once.
    ports = await pickFreePorts(options.nodes);
  }
}

async function choosePorts(options: DevOptions): Promise<readonly number[]> {
  const { nodes, port } = options;
  if (port === 0) return pickFreePorts(nodes);
  if (port + nodes - 1 > 65_535) {
    throw new CommandError(`--port: ${nodes} nodes from port ${port} go beyond 65535`, {
      exit: 'usage',
    });
  }
  const ports = Array.from({ length: nodes }, (_, index) => port + index);
  const taken = await unusablePorts(ports);
  if (taken.length > 0) throw portError(taken, options);
  return ports;
}

function portError(
  taken: Awaited<ReturnType<typeof unusablePorts>>,
  { nodes, port }: DevOptions,
): CommandError {
  const [first] = taken;
  const ports = taken.map((each) => each.port).join(', ');
  const remedy = `choose others, such as: quorate dev --nodes ${nodes} --port ${port + 100}`;
  if (first?.code !== 'EADDRINUSE') {
    return new CommandError(`cannot listen on port ${ports} (${first?.code}); ${remedy}`);
  }
  return new CommandError(
    `port ${ports} is in use, perhaps by another quorate dev; stop what uses it, or ${remedy}`,
  );
}

/** @throws StartupError when a setting is wrong: said here once, not by every node in its log. */
async function nodesOn(ports: readonly number[], run: Run): Promise<readonly DevNode[]> {
  const { options, terminal, home, secretFile } = run;
  const nodes = devNodes({
    ports,
    folder: home.folder,
    environment: terminal.environment,
    secret: secretFile === undefined ? undefined : await readSecret(secretFile),
    replicationFactor: options.replicationFactor,
  });
  const { replicationFactor: copies } = loadConfig({}, nodes[0]?.environment ?? {});
  terminal.tell(
    `starting ${count(nodes.length)} on port ${nodes.map(({ port }) => port).join(', ')} ...`,
  );
  if (nodes.length < copies) {
    terminal.tell(
      `${copies} copies of each key are wanted, more than there are nodes: each node keeps one of every key`,
    );
  }
  return nodes;
}

function startFailure(outcome: StartOutcome, { readyWithin }: DevOptions): CommandError {
  switch (outcome.type) {
    case 'died': {
      const { process, ending } = outcome;
      const words = lastWords(process, ending);
      const said = words.length === 0 ? '' : ', its last lines:';
      const what = `${process.node.name} ${endingOf(ending)} before it was ready${said}`;
      return new CommandError([what, ...words, 'all nodes were stopped'].join('\n'));
    }
    case 'late': {
      const what = `not every node was ready within ${readyWithin}; all were stopped`;
      const reasons = outcome.reasons.map((reason) => `  ${reason}`);
      return new CommandError([what, ...reasons].join('\n'));
    }
    case 'ready':
    case 'stopped':
      return new CommandError('the nodes were stopped before they were ready');
  }
}

/** Shows the nodes, reports those that end, and stops the others when asked to. @throws CommandError */
async function serve(run: Run, cluster: DevCluster): Promise<void> {
  const { options, terminal, home, stop } = run;
  if (options.json === true) await terminal.printJson(nodesAsJson(cluster.processes));
  else {
    const nodes = cluster.processes.map(({ node }) => node);
    const adding = addingLine(nodes, home, run.command, run.secretFile);
    await terminal.printLine(nodesAsTable(cluster.processes, home, adding));
  }
  cluster.watch((process, ending) => {
    if (!stop.asked.aborted) terminal.tell(obituary(run, cluster, process, ending));
  });
  await Promise.race([whenAborted(stop.asked), cluster.allEnded()]);
  if (!stop.asked.aborted) {
    throw new CommandError('all nodes have ended, and dev with them');
  }
  await shutDown(cluster, run);
  if (stop.insisted.aborted) {
    throw new CommandError('the nodes were killed; requests in flight were cut off');
  }
}

function obituary(run: Run, cluster: DevCluster, process: NodeProcess, ending: Ending): string {
  const { node, pid } = process;
  return [
    `${node.name} (pid ${pid}) ${endingOf(ending)}; still ${cluster.running} running;` +
      ` restart: ${restartLine(node, run.command, run.secretFile)}`,
    ...lastWords(process, ending),
  ].join('\n');
}

async function shutDown(cluster: DevCluster, { terminal, stop }: Run): Promise<void> {
  if (stop.asked.aborted && cluster.running > 0) {
    terminal.tell(`stopping ${count(cluster.running)} (once more kills them at once) ...`);
  }
  const killed = await cluster.stop();
  for (const { node } of killed) terminal.tell(`${node.name} did not stop in time and was killed`);
}

/** Removes a temporary folder, unless a node that was restarted by hand still lives in it. */
async function leave(home: DevHome, nodes: readonly DevNode[], terminal: Terminal): Promise<void> {
  const inUse = await unusablePorts(nodes.map(({ port }) => port));
  if (home.lifetime === 'temporary' && inUse.length > 0) {
    const ports = inUse.map(({ port }) => port).join(', ');
    terminal.tell(`kept ${home.folder}: somebody started a node again on port ${ports}`);
    return;
  }
  await closeHome(home);
}

function count(nodes: number): string {
  return nodes === 1 ? '1 node' : `${nodes} nodes`;
}
