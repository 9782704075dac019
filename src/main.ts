#!/usr/bin/env node
/** The process: the command line, and a node with this machine's clock, disk and network. */
import type { Duplex } from 'node:stream';
import { runProgram } from './cli/program.ts';
import type { ProcessHooks, RunningNode } from './cli/start-command.ts';
import type { Config } from './config.ts';
import type { Address } from './ids.ts';
import type { Life } from './runtime/lives.ts';

// The node's code is loaded only to run a node: the light commands (a container's health check runs
// one every other second) should start quickly.
process.exit(await runProgram(process.argv, { startNode }));

async function startNode(config: Config, hooks: ProcessHooks): Promise<RunningNode> {
  const [
    { createNode },
    { createHttpServer },
    { MAX_TIMEOUT_MS },
    { PEER_LIMITS },
    { UpgradeTransport },
    { Lives },
    { RepairReport },
    { LentStore },
    { openStore },
    { pinoLog },
    { Counters },
    { systemClock: clock },
    { systemRandom: random },
  ] = await Promise.all([
    import('./node.ts'),
    import('./http/server.ts'),
    import('./http/query.ts'),
    import('./rpc/limits.ts'),
    import('./rpc/upgrade-transport.ts'),
    import('./runtime/lives.ts'),
    import('./stabilizer/repair-report.ts'),
    import('./storage/lent-store.ts'),
    import('./storage/open-store.ts'),
    import('./telemetry/pino-log.ts'),
    import('./telemetry/counters.ts'),
    import('./runtime/system-clock.ts'),
    import('./runtime/system-random.ts'),
  ]);
  const log = pinoLog(config.nodeName, config.logLevel);
  const counters = new Counters();
  const opened = await openStore(config);
  for (const remark of opened.remarks) log.warn(remark);
  if (opened.lost) log.error('the store lost acknowledged writes; this node starts as a new one');

  let port = config.port;
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  const address = (): Address => config.advertise ?? (`${host}:${port}` as Address);
  const lives = new Lives(startLife, (cause) =>
    hooks.fail('this node could not start again', cause),
  );
  try {
    await lives.begin();
  } catch (error) {
    await opened.store.close();
    throw error;
  }

  return {
    async stop() {
      log.info('this node stops: requests in flight are finished first');
      await lives.end();
      await opened.store.close();
      log.info('this node has stopped');
    },
  };

  /** One life of the node: it may be replaced while it is away, and then goes on as a new one. */
  async function startLife(): Promise<Life> {
    const transports: InstanceType<typeof UpgradeTransport>[] = [];
    const node = await createNode(config, {
      clock,
      random: () => random,
      store: new LentStore(opened.store),
      connect: ({ identity, clusterId }) => {
        const transport = new UpgradeTransport({
          ...identity,
          clusterId,
          advertise: address,
          secret: config.clusterSecret,
          clock,
          random,
          log,
          counters,
          limits: PEER_LIMITS,
        });
        transports.push(transport);
        return transport;
      },
      address,
      longestRequestMs: MAX_TIMEOUT_MS,
      supervisor: {
        fail: hooks.fail,
        restart(reason) {
          log.info('this node starts again within its process', { reason });
          lives.restart();
        },
      },
      log,
      counters,
    });

    const http = createHttpServer({
      operations: node.operations,
      cluster: node.cluster,
      operator: node.operator,
      events: node.events,
      nodeName: config.nodeName,
      nodeId: node.identity.nodeId,
      config,
      clock,
      random,
      log,
      counters,
    });
    http.server.on('upgrade', (request, socket: Duplex, head) => {
      for (const transport of transports) transport.acceptUpgrade(request, socket, head);
    });
    try {
      ({ port } = await http.listen(config.host, port));
    } catch (error) {
      await node.close();
      throw error;
    }
    const repairs = new RepairReport({ counters, events: node.events, clock, random, log });
    const { nodeId, incarnation } = node.identity;
    log.info('this node listens', { address: address(), nodeId, incarnation });
    return {
      async end() {
        // The node still talks to its peers while clients' requests are finished; their connections
        // end with it.
        await http.drain();
        await repairs.stop();
        await node.close();
        await http.close();
      },
    };
  }
}
