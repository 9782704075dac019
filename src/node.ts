/**
 * One node: builds every room bottom up, hands each one its ports, and decides nothing. `main.ts`
 * calls it with the machine's ports, the simulator with its own.
 */
import { setMaxListeners } from 'node:events';
import type { Config } from './config.ts';
import { Coordinator } from './coordinator/coordinator.ts';
import type { Operations } from './coordinator/operations.ts';
import { ReplicaCaller } from './coordinator/replica-caller.ts';
import { ReplicaSide } from './coordinator/replica-side.ts';
import type { Address, ClusterId, Key } from './ids.ts';
import { ClusterStatusReader } from './membership/cluster-status.ts';
import type { ClusterView } from './membership/cluster-view.ts';
import { SURVIVORS_WAIT_GRACES } from './membership/consent.ts';
import { EpochCheck } from './membership/epoch-check.ts';
import { type Identity, openIdentity } from './membership/identity.ts';
import { Membership } from './membership/membership.ts';
import { PartialWrites } from './quorum/partial-writes.ts';
import { Aside } from './replica/aside.ts';
import { BoundOfChanges } from './replica/bound-of-changes.ts';
import { EpochBarrier } from './replica/epoch-barrier.ts';
import { HealGuard } from './replica/heal-guard.ts';
import { KeyCounts } from './replica/key-counts.ts';
import { KnownContents } from './replica/known-contents.ts';
import { LossyPartitions } from './replica/lossy-partitions.ts';
import { PartitionScan } from './replica/partition-scan.ts';
import { meanRecordBytes } from './replica/record-size.ts';
import { Replica } from './replica/replica.ts';
import { RequestHorizon } from './replica/request-horizon.ts';
import { Scrub } from './replica/scrub.ts';
import { setAsideIfDeparted } from './replica/set-aside.ts';
import { VersionClock } from './replica/version-clock.ts';
import type { Handlers, ReplyOf } from './rpc/messages.ts';
import type { Transport } from './rpc/transport.ts';
import type { Clock } from './runtime/clock.ts';
import { Loop } from './runtime/loop.ts';
import type { Random } from './runtime/random.ts';
import { RateLimit } from './runtime/rate-limit.ts';
import { remembered } from './runtime/remembered.ts';
import type { Supervisor } from './runtime/supervisor.ts';
import { AsideOffers } from './stabilizer/aside-offers.ts';
import { ClusterOperator } from './stabilizer/operator.ts';
import { Pacing } from './stabilizer/pacing.ts';
import { PartitionTransfer } from './stabilizer/partition-transfer.ts';
import { Replacement } from './stabilizer/replacement.ts';
import { SettingsAgreement } from './stabilizer/settings-agreement.ts';
import { Surplus } from './stabilizer/surplus.ts';
import { TransferSource } from './stabilizer/transfer-source.ts';
import { TransitionEnd } from './stabilizer/transition-end.ts';
import { UnsoundCopies } from './stabilizer/unsound-copies.ts';
import { FailStopStore } from './storage/fail-stop-store.ts';
import { RecordPlaces } from './storage/record-places.ts';
import type { Store } from './storage/store.ts';
import { ClusterEvents } from './telemetry/cluster-events.ts';
import type { Counters } from './telemetry/counters.ts';
import { Gauges } from './telemetry/gauges.ts';
import type { Log } from './telemetry/log.ts';

/** How often the room on the disk is looked at, milliseconds. */
const SPACE_EVERY_MS = 1_000;
/** How often the scrub walks on, milliseconds: a million records in half an hour. */
const SCRUB_EVERY_MS = 1_000;
/** How long the mean size of a record, for estimates, is not looked at again, milliseconds. */
const RECORD_SIZE_FOR_MS = 5_000;
/** How long silent members are waited for when an estimate is made, milliseconds. */
const ESTIMATE_MS = 1_000;

/** Pause between two walks through what was set aside and could not all be offered, milliseconds. */
const OFFERS_EVERY_MS = 5_000;

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
  /** The longest time that a request may be given, milliseconds. */
  readonly longestRequestMs: number;
}

export interface QuorateNode {
  readonly identity: Identity;
  readonly operations: Operations;
  readonly cluster: ClusterView;
  readonly operator: ClusterOperator;
  readonly events: ClusterEvents;
  readonly gauges: Gauges;
  /** Ends all work and connections, then closes the store. */
  close(): Promise<void>;
}

/** @throws StartupError when the store does not fit the settings */
export async function createNode(config: Config, ports: NodePorts): Promise<QuorateNode> {
  const { clock, random, log, counters } = ports;
  const { maxSkewMs } = config;
  const store = new FailStopStore(ports.store, ports.supervisor);

  await setAsideIfDeparted(store, log);
  const identity = await openIdentity(store, random('identity'));
  const { nodeId: self, incarnation } = identity;
  const versions = await VersionClock.open({ node: self, incarnation, clock, store });
  const places = await RecordPlaces.open(store);
  const counts = await KeyCounts.open(store);
  const { longestRequestMs } = ports;
  const isFirstLife = incarnation === 1;
  const horizon = await RequestHorizon.open({ store, clock, longestRequestMs, isFirstLife });
  const lossy = await LossyPartitions.open(store, horizon.formerOverMs);
  const guard = new HealGuard({ life: identity.nonce, clock, horizon });
  const replica = new Replica({ store, places, counts, lossy, guard, counters, log, clock });

  const life = identity.nonce.slice(0, 8);
  const events = new ClusterEvents({ life, wallMs: () => clock.wallMs() });
  const onRefused = (why: string): void => ports.supervisor.fail(why);
  const clusterId = (): ClusterId | undefined => membership?.clusterId;
  const transport = ports.connect({ identity, clusterId });
  let membership: Membership | undefined;
  membership = await Membership.open({
    identity,
    terms: { ...termsOf(config), address: ports.address },
    store,
    transport,
    clock,
    random: random('membership'),
    supervisor: ports.supervisor,
    probeRandom: random('swim'),
    log,
    events,
    hybridMs: () => versions.latestMs,
    clockBound: () => ({ life: identity.nonce, ...versions.bound }),
    maxSkewMs,
    onRing: ({ versionsAboveMs }) => versions.observeMs(versionsAboveMs),
    keepWithBound: (changes) => versions.moveBoundWith(changes),
    onRefused,
  });

  const epochs = new EpochCheck({ membership, clock, counters });
  const barrier = new EpochBarrier();
  const scan = new PartitionScan({ store, places, counts, clock });
  const contents = new KnownContents({ scan, barrier, counts, lossy, clock });
  const rate = new RateLimit(clock, config.transferRateBytes);
  const onDamaged = (key: Key): void => operations.healOwn(key);
  const unsound = new UnsoundCopies(clock);
  const source = new TransferSource({
    self,
    epochs,
    barrier,
    scan,
    contents,
    lossy,
    rate,
    clock,
    onDamaged,
    unsound,
  });
  const transfer = new PartitionTransfer({
    self,
    membership,
    transport,
    replica,
    contents,
    lossy,
    pacing: new Pacing(clock, () => replica.servedMs),
    clock,
    random: random('transfer'),
    counters,
    log,
    onDamaged,
  });
  const replicaSide = new ReplicaSide({
    self,
    membership,
    replica,
    versions,
    epochs,
    barrier,
    hasPulled: (partition) => transfer.hasPulled(partition),
    maxSkewMs,
    counters,
    log,
  });
  const replicas = new ReplicaCaller({ self, local: replicaSide.handlers, transport, clock, log });
  const partialWrites = new PartialWrites();
  const operations = new Coordinator({
    self,
    membership,
    replicas,
    versions,
    damageTicket: () => replica.ticket(),
    partialWrites,
    clock,
    counters,
    log,
    maxSkewMs,
  });
  const cluster = new ClusterStatusReader({
    membership,
    transport,
    maxSkewMs,
    ownStatus: () => ownStatus(),
    frozen: () => replacement.frozen,
  });
  const closing = new AbortController();
  setMaxListeners(Number.POSITIVE_INFINITY, closing.signal); // as many as operators wait
  const operator = new ClusterOperator({
    ...{ membership, clock, closing: closing.signal },
    recordBytes: remembered(clock, RECORD_SIZE_FOR_MS, () => meanRecordBytes(store, places)),
    kept: () => cluster.kept(ESTIMATE_MS),
    transferRateBytes: config.transferRateBytes,
  });

  const ownStatus = (): ReplyOf<'member.status'> => ({
    keys: replica.values,
    epoch: membership.ring?.epoch ?? 0,
    ready: cluster.readiness().every((check) => check.ok),
    toPull: transfer.progress.partitions,
    pulled: transfer.progress.pulled,
    unsound: unsound.forLongerThan(
      SURVIVORS_WAIT_GRACES * (membership.ring?.graceMs ?? Number.POSITIVE_INFINITY),
    ),
  });

  const handlers: Handlers = {
    ...membership.handlers,
    ...replicaSide.handlers,
    ...source.handlers,
    'member.status': async () => ({ ok: true, reply: ownStatus() }),
  };
  transport.serve(handlers);

  const changes = { self, membership, transport, clock, log, events };
  const replacement = new Replacement({
    ...changes,
    partialWrites,
    counters,
    random: random('replacement'),
  });
  const transitionEnd = new TransitionEnd({ ...changes, random: random('transition-end') });
  const settings = new SettingsAgreement({ ...changes, random: random('settings'), onRefused });

  const gauges = new Gauges({
    replica_applies: () => replica.applies,
    replica_queued_keys: () => replica.queuedKeys,
    replica_unsynced_keys: () => replica.unsyncedKeys,
    replica_writes_served: () => replicaSide.writes.serving,
    replica_refusals_kept: () => replicaSide.writes.refusals,
    replica_changes_under_way: () => barrier.size,
    coordinator_repairs: () => operations.repairs,
    transfers_served: () => source.serving,
    replacement_frozen: () => Number(replacement.frozen.replacement),
  });

  const spaceLoop = new Loop({
    clock,
    random: random('space'),
    everyMs: SPACE_EVERY_MS,
    turn: () => replica.refreshSpace(),
    onError: (cause) => log.error('the room on the disk could not be told', { err: cause }),
  });

  const boundOfChanges = new BoundOfChanges({
    versions,
    counts,
    clock,
    random: random('bound'),
    log,
  });

  const surplus = new Surplus({
    self,
    membership,
    transport,
    replica,
    counts,
    scan,
    barrier,
    rate,
    clock,
    random: random('surplus'),
    counters,
    log,
  });

  const scrub = new Scrub({
    store,
    places,
    counts,
    lossy,
    counters,
    log,
    onDamaged,
  });
  const scrubLoop = new Loop({
    clock,
    random: random('scrub'),
    everyMs: SCRUB_EVERY_MS,
    turn: () => scrub.turn(),
    onError: (cause) => log.error('the scrub was interrupted; it goes on', { err: cause }),
  });

  // Nothing is set aside as a rule.
  const aside = await Aside.open(store, places);
  const offers =
    aside &&
    new AsideOffers({
      aside,
      membership,
      call: (to, request, timeoutMs) => replicas.call(to, request, timeoutMs, 'repair'),
      rate,
      clock,
      counters,
      log,
    });
  const offersLoop =
    offers &&
    new Loop({
      clock,
      random: random('aside-offers'),
      everyMs: OFFERS_EVERY_MS,
      turn: (signal) => offers.turn(signal),
      onError: (cause) => log.error('the offers of old data were interrupted', { err: cause }),
    });

  return {
    identity,
    operations,
    cluster,
    operator,
    events,
    gauges,
    async close() {
      closing.abort();
      source.close();
      scan.close();
      await Promise.all([
        transfer.close(),
        surplus.close(),
        spaceLoop.stop(),
        boundOfChanges.stop(),
        scrubLoop.stop(),
        replacement.stop(),
        transitionEnd.stop(),
        settings.stop(),
        offersLoop?.stop(),
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
