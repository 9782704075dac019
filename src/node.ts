/**
 * One node: builds every room bottom up, hands each one its ports, and decides nothing. `main.ts`
 * calls it with the machine's ports, the simulator with its own.
 */
import type { Config } from './config.ts';
import { Coordinator } from './coordinator/coordinator.ts';
import type { Operations } from './coordinator/operations.ts';
import { ReplicaCaller } from './coordinator/replica-caller.ts';
import { ReplicaSide } from './coordinator/replica-side.ts';
import type { Address, ClusterId } from './ids.ts';
import { ClusterStatusReader } from './membership/cluster-status.ts';
import type { ClusterView } from './membership/cluster-view.ts';
import { type Identity, openIdentity } from './membership/identity.ts';
import { Membership } from './membership/membership.ts';
import { KeyCounts } from './replica/key-counts.ts';
import { LossyPartitions } from './replica/lossy-partitions.ts';
import { Replica } from './replica/replica.ts';
import { Scrub } from './replica/scrub.ts';
import { VersionClock } from './replica/version-clock.ts';
import type { Handlers } from './rpc/messages.ts';
import type { Transport } from './rpc/transport.ts';
import type { Clock } from './runtime/clock.ts';
import { Loop } from './runtime/loop.ts';
import type { Random } from './runtime/random.ts';
import type { Supervisor } from './runtime/supervisor.ts';
import { FailStopStore } from './storage/fail-stop-store.ts';
import type { Store } from './storage/store.ts';
import type { Counters } from './telemetry/counters.ts';
import { Gauges } from './telemetry/gauges.ts';
import type { Log } from './telemetry/log.ts';

/** How often the room on the disk is looked at, milliseconds. */
const SPACE_EVERY_MS = 1_000;
/** How often the scrub walks on, milliseconds: a million records in half an hour. */
const SCRUB_EVERY_MS = 1_000;

/** What a transport shows of its node to those it talks to. */
export interface NodeCard {
  readonly identity: Identity;
  /** Absent until the node belongs to a cluster. */
  readonly clusterId: () => ClusterId | undefined;
}

export interface NodePorts {
  readonly clock: Clock;
  /** A stream of its own for each purpose, so that one more draw for one shifts no other. */
  readonly random: (purpose: string) => Random;
  /** Opened; the node closes it. */
  readonly store: Store;
  /** Makes the transport of the node that the store turned out to be. */
  readonly connect: (card: NodeCard) => Transport;
  /** Where other nodes find this one. */
  readonly address: () => Address;
  readonly supervisor: Supervisor;
  readonly log: Log;
  readonly counters: Counters;
}

export interface QuorateNode {
  readonly identity: Identity;
  readonly operations: Operations;
  readonly cluster: ClusterView;
  readonly gauges: Gauges;
  /** Ends all work and connections, then closes the store. */
  close(): Promise<void>;
}

/** @throws StartupError when the store does not fit the settings */
export async function createNode(config: Config, ports: NodePorts): Promise<QuorateNode> {
  const { clock, random, log, counters } = ports;
  const { maxSkewMs } = config;
  const store = new FailStopStore(ports.store, ports.supervisor);

  const identity = await openIdentity(store, random('identity'));
  const { nodeId: self, incarnation } = identity;
  const versions = await VersionClock.open({ node: self, incarnation, clock, store });
  const counts = await KeyCounts.open(store);
  const lossy = await LossyPartitions.open(store);
  const replica = new Replica({ store, counts, lossy, counters, log, clock });

  const clusterId = (): ClusterId | undefined => membership?.ring?.clusterId;
  const transport = ports.connect({ identity, clusterId });
  let membership: Membership | undefined;
  membership = await Membership.open({
    identity,
    terms: { ...termsOf(config), address: ports.address },
    store,
    transport,
    clock,
    random: random('membership'),
    log,
    hybridMs: () => versions.latestMs,
  });

  const replicaSide = new ReplicaSide({
    self,
    membership,
    replica,
    versions,
    clock,
    maxSkewMs,
    counters,
    log,
  });
  const replicas = new ReplicaCaller({ self, local: replicaSide.handlers, transport, clock, log });
  const operations = new Coordinator({
    self,
    membership,
    replicas,
    versions,
    clock,
    counters,
    log,
    maxSkewMs,
  });
  const cluster = new ClusterStatusReader({
    membership,
    transport,
    maxSkewMs,
    ownKeys: () => replica.values,
  });

  const handlers: Handlers = {
    ...membership.handlers,
    ...replicaSide.handlers,
    'member.status': async () => ({
      ok: true,
      reply: {
        keys: replica.values,
        epoch: membership.ring?.epoch ?? 0,
        ready: cluster.readiness().every((check) => check.ok),
      },
    }),
  };
  transport.serve(handlers);

  const gauges = new Gauges({
    replica_applies: () => replica.applies,
    replica_queued_keys: () => replica.queuedKeys,
    replica_unsynced_keys: () => replica.unsyncedKeys,
    replica_writes_served: () => replicaSide.writes.serving,
    replica_refusals_kept: () => replicaSide.writes.refusals,
    coordinator_repairs: () => operations.repairs,
  });

  const spaceLoop = new Loop({
    clock,
    random: random('space'),
    everyMs: SPACE_EVERY_MS,
    turn: () => replica.refreshSpace(),
    onError: (cause) => log.error('the room on the disk could not be told', { err: cause }),
  });

  const scrub = new Scrub({
    store,
    counts,
    lossy,
    counters,
    log,
    onDamaged: (key) => operations.healOwn(key),
  });
  const scrubLoop = new Loop({
    clock,
    random: random('scrub'),
    everyMs: SCRUB_EVERY_MS,
    turn: () => scrub.turn(),
    onError: (cause) => log.error('the scrub was interrupted; it goes on', { err: cause }),
  });

  return {
    identity,
    operations,
    cluster,
    gauges,
    async close() {
      await Promise.all([
        spaceLoop.stop(),
        scrubLoop.stop(),
        membership.close(),
        transport.close(),
      ]);
      await store.close();
    },
  };
}

function termsOf(config: Config): Omit<Membership['terms'], 'address'> {
  return {
    nodeName: config.nodeName,
    clusterName: config.clusterName,
    zone: config.zone,
    weight: config.weight,
    founders: config.seeds,
    replicationFactor: config.replicationFactor,
    replicationFactorGiven: config.replicationFactorGiven,
    partitionCount: config.partitionCount,
    graceMs: config.replaceAfterMs,
    lastSurvivor: config.lastSurvivor,
  };
}
