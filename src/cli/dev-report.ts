/** What `dev` says: the nodes and what to try with them, and what became of one that ended. */
import type { DevHome } from './dev-home.ts';
import type { DevNode } from './dev-nodes.ts';
import type { Ending, NodeProcess } from './node-process.ts';
import { table } from './table.ts';

export function nodesAsJson(processes: readonly NodeProcess[]): object {
  return {
    nodes: processes.map(({ node, pid }) => ({
      name: node.name,
      url: node.url,
      pid,
      dataDir: node.dataDir,
    })),
  };
}

/** `adding`: the line that starts one more node. */
export function nodesAsTable(
  processes: readonly NodeProcess[],
  home: DevHome,
  adding: string,
): string {
  const rows = processes.map(({ node, pid }) => [
    node.name,
    node.url,
    String(pid),
    `kill -9 ${pid}`,
  ]);
  const first = processes[0]?.node.url ?? '';
  const last = processes.at(-1)?.node.url ?? '';
  const kept = home.lifetime === 'kept' ? '' : '  (removed at the end; --data-dir keeps them)';
  return [
    table(['NODE', 'URL', 'PID', 'TO KILL IT'], rows),
    '',
    `try   curl -X PUT ${first}/kv/greeting -d 'hello'`,
    `      curl ${last}/kv/greeting`,
    '',
    `grow  ${adding}`,
    '',
    `data  ${home.folder}/node*${kept}`,
    `logs  ${home.folder}/node*.log`,
    '',
    'ctrl-c stops all nodes.',
  ].join('\n');
}

/**
 * The line that starts a node beside those of `dev`. It keeps its data next to their folder, which may go
 * with `dev`, and takes the replication factor that the cluster has by then.
 */
export function addingLine(
  nodes: readonly DevNode[],
  home: DevHome,
  command: readonly string[],
  secretFile: string | undefined,
): string {
  const last = nodes.at(-1);
  if (last === undefined) return '';
  const name = `node${nodes.length + 1}`;
  const dataDir = `${home.folder}-${name}`;
  const { QUORATE_REPLICATION_FACTOR: _, ...environment } = last.environment;
  const node = { ...last, name, port: last.port + 1, dataDir, environment };
  return restartLine(node, command, secretFile);
}

/** `was killed by SIGKILL`, `ended with exit code 1`, ... */
export function endingOf({ exitCode, signal, failure }: Ending): string {
  if (failure !== undefined) return `could not be started (${failure})`;
  if (signal !== undefined) return `was killed by ${signal}`;
  return `ended with exit code ${exitCode ?? 'unknown'}`;
}

/** The last lines of a node's log, indented; none for one that was killed and could say nothing. */
export function lastWords(process: NodeProcess, ending: Ending): readonly string[] {
  if (ending.signal !== undefined) return [];
  return process.lastLines(10).map((line) => `  ${line}`);
}

/** The line that starts a node again, to be pasted into a shell. */
export function restartLine(
  node: DevNode,
  command: readonly string[],
  secretFile: string | undefined,
): string {
  const { QUORATE_REPLICATION_FACTOR: replicationFactor, QUORATE_CLUSTER_NAME: clusterName } =
    node.environment;
  const secret =
    secretFile === undefined ? [] : [`QUORATE_CLUSTER_SECRET_FILE=${quoted(secretFile)}`];
  const copies =
    replicationFactor === undefined ? [] : ['--replication-factor', quoted(replicationFactor)];
  return [
    ...secret,
    ...command.map(quoted),
    'start',
    ...['--node-name', node.name, '--port', String(node.port)],
    ...['--seeds', node.seeds, '--data-dir', quoted(node.dataDir)],
    ...(clusterName === undefined ? [] : ['--cluster-name', quoted(clusterName)]),
    ...copies,
  ].join(' ');
}

/** As a POSIX shell reads it back. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
