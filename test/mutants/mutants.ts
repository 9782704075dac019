import type { CheckerName } from '../simulator/flaw.ts';

/**
 * A planted bug: a piece of a compiled file, and what stands there instead. The product has no switch
 * for it (`docs/adr/0006-mutants-as-patches.md`).
 */
export interface Mutant {
  readonly name: string;
  /** Below `build/`. */
  readonly file: string;
  /** Must occur exactly once. */
  readonly original: string;
  readonly replacement: string;
  /** What is wrong then, in a sentence. */
  readonly wrong: string;
  /** The judge that is the only one to speak under some seed. */
  readonly alone?: CheckerName;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'one-phase-write',
    file: 'src/coordinator/put.js',
    original: 'const version = await drawVersion(ports, attempt, asked.newest);',
    replacement: 'const version = await drawVersion(ports, attempt, undefined);',
    wrong: 'a put draws its version by its own clock, whatever a quorum holds',
  },
  {
    name: 'version-not-above',
    file: 'src/version/hybrid-logical-clock.js',
    original: 'this.#logical = logical;\n        this.#advance();',
    replacement: 'this.#logical = logical;',
    wrong: 'a version has the time and counter of the one that it is to be above',
  },
  {
    name: 'read-without-write-back',
    file: 'src/coordinator/get.js',
    original: 'const known = await writeBack(attempt, newest, quorum);',
    replacement: 'const known = true;',
    wrong: 'a read returns what no quorum is known to hold',
  },
  {
    name: 'silent-rewrite',
    file: 'src/coordinator/put.js',
    original:
      'const stored = await storeRecord(ports, repairs, attempt, record, options.consistency);',
    replacement: `const again = async () => sealRecord({ key, content: value,
            version: await drawVersion(ports, attempt, version) });
        const stored = await storeRecord(ports, repairs, attempt, record, options.consistency)
            .catch(async () => storeRecord(ports, repairs, attempt, await again(), options.consistency));`,
    wrong: 'a put that failed is sent once more under a newer version',
  },
  {
    name: 'counter-stands-still',
    file: 'src/version/hybrid-logical-clock.js',
    original: 'else {\n            this.#advance();\n        }',
    replacement: '',
    wrong: 'two writes of one millisecond get one version',
    alone: 'versions',
  },
  {
    name: 'answer-names-the-old-version',
    file: 'src/coordinator/put.js',
    original: 'return { version, created: !asked.exists, ...stored };',
    replacement: 'return { version: asked.newest ?? version, created: !asked.exists, ...stored };',
    wrong: 'a put answers with the version that it replaced',
    alone: 'register',
  },
  {
    name: 'half-is-a-quorum',
    file: 'src/quorum/consistency-level.js',
    original: 'Math.floor(replicas / 2) + 1',
    replacement: 'Math.max(1, Math.floor(replicas / 2))',
    wrong: 'reads and writes ask for quorums that need not meet',
  },
  {
    name: 'unreachable-replica-counts',
    file: 'src/coordinator/phase-two.js',
    original: 'quorum.fail(answer.from);',
    replacement: `answer.failure === 'unreachable' ? quorum.acknowledge(answer.from) : quorum.fail(answer.from);`,
    wrong:
      'a replica that could not be reached counts as one that stored the write, as a hint would',
  },
  {
    name: 'acknowledged-before-the-sync',
    file: 'src/replica/replica.js',
    original: 'await submitted.durable;',
    replacement: 'submitted.durable.catch(() => undefined);',
    wrong: 'a replica acknowledges what is not on its disk yet',
    alone: 'acknowledged-kept',
  },
  {
    name: 'older-write-does-not-wait',
    file: 'src/replica/replica.js',
    original: 'return pending ?? {',
    replacement: 'return {',
    wrong: 'an older write is acknowledged before the newer one that beats it is on disk',
  },
  {
    name: 'failed-sync-ignored',
    file: 'src/storage/fail-stop-store.js',
    original: 'if (!this.#failed) {',
    replacement: 'return;\n            if (!this.#failed) {',
    wrong: 'a failed sync is taken for a good one, and the node goes on',
  },
  {
    name: 'merge-by-arrival',
    file: 'src/version/merge.js',
    original: 'return a.version > b.version ? a : b;',
    replacement: 'return b;',
    wrong: 'of two records the one that arrives last survives',
    alone: 'no-going-back',
  },
  {
    name: 'delete-removes-the-record',
    file: 'src/replica/replica.js',
    original: "return { type: 'put', key: this.#places.at(partition, key), value: bytes };",
    replacement: `return openSealed(bytes).tombstone
            ? { type: 'delete', key: this.#places.at(partition, key) }
            : { type: 'put', key: this.#places.at(partition, key), value: bytes };`,
    wrong: 'a delete leaves no tombstone',
  },
  {
    name: 'delete-says-nothing-was-there',
    file: 'src/coordinator/delete.js',
    original: 'return true;',
    replacement: 'return false;',
    wrong: 'a delete that deleted something answers that there was nothing',
    alone: 'linearizability',
  },
  {
    name: 'value-cut-short',
    file: 'src/version/record-codec.js',
    original: 'value: buffer.subarray(at, end)',
    replacement: 'value: buffer.subarray(at, end - 1)',
    wrong: 'a value loses its last byte when it is read',
    alone: 'no-invention',
  },
  {
    name: 'checksum-not-verified',
    file: 'src/version/record-codec.js',
    original: 'return hash64(buffer.subarray(0, end)) === buffer.readBigUInt64BE(end);',
    replacement: 'return true;',
    wrong: 'flipped bits are read as they are',
  },
  {
    name: 'record-of-another-key-taken',
    file: 'src/replica/replica.js',
    original: 'if (record === undefined || record.key !== key)',
    replacement: 'if (record === undefined)',
    wrong: 'a sound record is believed where another key should lie',
  },
  {
    name: 'wiped-node-keeps-its-name',
    file: 'src/node.js',
    original: `const identity = await openIdentity(store, random('identity'));`,
    replacement: `const drawn = random('identity');
    const [found] = await store.scan({ start: Buffer.of(0), end: Buffer.of(255) }, 1);
    const named = { bytes: (count) => count === 8 && found === undefined
            ? Buffer.from(config.nodeName.padEnd(count)).subarray(0, count)
            : drawn.bytes(count) };
    const identity = await openIdentity(store, named);`,
    wrong: 'a node whose disk was replaced by an empty one answers as the member that it was',
  },
  {
    name: 'damaged-read-as-nothing',
    file: 'src/replica/replica.js',
    original: 'const record = openSealed(bytes);',
    replacement: `const record = openSealed(bytes);
        if (record === undefined)
            return { state: 'nothing' };`,
    wrong: 'a damaged copy answers that nothing is stored',
  },
  {
    name: 'silence-is-not-applied',
    file: 'src/coordinator/phase-two.js',
    original: `const outcome = doubtful ? 'unknown' : 'not_applied';`,
    replacement: `const outcome = quorum.acknowledged > 0 ? 'unknown' : 'not_applied';`,
    wrong: 'a write of which nothing was heard is answered "not applied"',
    alone: 'not-applied',
  },
  {
    name: 'repair-of-the-first-answers-only',
    file: 'src/coordinator/repairs.js',
    original: 'await round.runToEnd();',
    replacement: '',
    wrong: 'only replicas that answered before the verdict are repaired',
    alone: 'convergence',
  },
  {
    name: 'clock-bound-not-kept',
    file: 'src/replica/version-clock.js',
    original: `await this.#store.batch([...changes, keepOwn('clock-bound', { boundMs })]);`,
    replacement: 'if (changes.length > 0) await this.#store.batch(changes);',
    wrong: 'after a restart versions may go back with the wall clock',
  },
  {
    name: 'expired-work-done',
    file: 'src/membership/epoch-check.js',
    original: 'if (this.isLate(deadlineMs)) {',
    replacement: 'if (this.isLate(Number.MAX_VALUE)) {',
    wrong: 'a replica works for requests whose time is up',
    alone: 'deadlines',
  },
  {
    name: 'queue-of-a-key-stays',
    file: 'src/replica/key-queue.js',
    original: 'this.#tails.delete(key);',
    replacement: 'void key;',
    wrong: 'the queue of a key is never removed, so memory grows with every key ever written',
    alone: 'bounds',
  },
  {
    name: 'repair-never-over',
    file: 'src/coordinator/repairs.js',
    original: '.finally(() => this.#keys.delete(key));',
    replacement: ';',
    wrong: 'a key that was repaired once counts as being repaired for ever',
  },
  {
    name: 'never-room-again',
    file: 'src/replica/replica.js',
    original: 'this.#space = space;',
    replacement: `this.#space = this.#space === 'ample' ? space : this.#space;`,
    wrong: 'a replica whose disk was full once refuses writes for ever',
    alone: 'availability',
  },
  {
    name: 'one-failure-fails-all',
    file: 'src/quorum/answer-count.js',
    original: 'if (set.nodes.size - set.no < set.required)',
    replacement: 'if (set.no > 0)',
    wrong: 'one replica that fails fails the request, though a quorum is there',
  },
  {
    name: 'deadline-wakes-nobody',
    file: 'src/rpc/gather.js',
    original: 'this.#waiting.clear();\n        this.#wake?.();',
    replacement: 'this.#waiting.clear();',
    wrong: 'a request whose replicas are all silent is never answered',
    alone: 'progress',
  },
  {
    name: 'older-epochs-served',
    file: 'src/membership/epoch-check.js',
    original: 'if (held === undefined || held.epoch < epoch)',
    replacement: `if (held !== undefined && held.epoch > epoch)
            return { ok: true, ring: held };
        if (held === undefined || held.epoch < epoch)`,
    wrong: 'a replica serves requests of rings that it knows to be out of date',
  },
  {
    name: 'new-set-alone',
    file: 'src/coordinator/attempt.js',
    original: 'this.sets = ring.replicaSets(this.partition);',
    replacement: 'this.sets = ring.replicaSets(this.partition).slice(-1);',
    wrong: 'while the ring is joint, a quorum of the new replicas alone decides',
  },
  {
    name: 'old-set-alone',
    file: 'src/coordinator/attempt.js',
    original: 'this.sets = ring.replicaSets(this.partition);',
    replacement: 'this.sets = ring.replicaSets(this.partition).slice(0, 1);',
    wrong: 'while the ring is joint, a quorum of the old replicas alone decides',
  },
  {
    name: 'settled-by-one-set',
    file: 'src/quorum/read-quorum.js',
    original: "const holders = new AnswerCount(this.#sets, 'quorum');",
    replacement: `const agrees = (set) => {
            const count = new AnswerCount([set], 'quorum');
            for (const node of this.holders)
                count.count(node, 'yes');
            return count.verdict === 'met';
        };
        if (this.#sets.some(agrees))
            return true;
        const holders = new AnswerCount(this.#sets, 'quorum');`,
    wrong:
      'a read writes nothing back when the old or the new replicas agree, whatever the others hold',
  },
  {
    name: 'one-source-is-enough',
    file: 'src/stabilizer/partition-pull.js',
    original: 'return pullsNeeded(this.#ring, this.partition) - merged.length;',
    replacement: 'return 1 - merged.length;',
    wrong: 'a new replica pulls from a single old one',
  },
  {
    name: 'kept-replicas-do-not-pull',
    file: 'src/ring/pulls.js',
    original: 'ring.next?.[partition]?.includes(node) === true && inTransition(ring, partition);',
    replacement: `ring.next?.[partition]?.includes(node) === true &&
        !ring.assignment[partition].includes(node);`,
    wrong: 'only replicas that are new pull',
  },
  {
    name: 'no-second-pull-after-a-fold',
    file: 'src/stabilizer/partition-transfer.js',
    original: 'const isDone = await pull.attempt(',
    replacement: `const { epoch } = this.#session.ring;
        this.pulledAt ??= new Map();
        if (this.pulledAt.get(pull.partition) === epoch - 1) {
            this.pulledAt.set(pull.partition, epoch);
            Object.defineProperty(pull, 'isDone', { value: true });
            return;
        }
        const isDone = await (async (...given) => {
            const done = await pull.attempt(...given);
            if (done)
                this.pulledAt.set(pull.partition, epoch);
            return done;
        })(`,
    wrong: 'what was pulled before the wanted set changed counts afterwards',
  },
  {
    name: 'transition-ends-early',
    file: 'src/stabilizer/transition-end.js',
    original: 'if (!allPulled(transition))',
    replacement: 'if (transition.toPull < 0)',
    wrong: 'a transition ends before the new replicas have pulled',
  },
  {
    name: 'surplus-removed-early',
    file: 'src/stabilizer/surplus.js',
    original:
      'if (ring === undefined || ring.next !== undefined || ring.member(self) === undefined)',
    replacement: `if (ring?.next !== undefined && ring.member(self) !== undefined) {
            const isSurplus = () => membership.ring === ring;
            for (const partition of this.#ports.counts.partitions)
                if (!ring.next[partition].includes(self))
                    await this.#ports.replica.discard(partition, isSurplus);
            return;
        }
        if (ring === undefined || ring.member(self) === undefined)`,
    wrong: 'a replica that is to give a partition up removes it before the transition is over',
  },
  {
    name: 'surplus-not-offered',
    file: 'src/stabilizer/surplus.js',
    original: 'if (await this.#offer(ring, partition, signal))',
    replacement: '',
    wrong: 'what a replica kept and others keep now is removed without being offered to them',
    alone: 'placement',
  },
  {
    name: 'returned-data-given-up',
    file: 'src/stabilizer/aside-offers.js',
    original: `if (holders.verdict !== 'met')
            return 'unsettled';`,
    replacement: '',
    wrong: 'what a returned node had set aside is removed, whether or not the replicas took it',
  },
  {
    name: 'minority-decides',
    file: 'src/membership/ring-register.js',
    original: 'quorum: majorityOf(acceptors),',
    replacement: 'quorum: (nodes) => 2 * nodes.size >= acceptors.length - 1,',
    wrong: 'half of the members, or a little less, decide the next ring',
    alone: 'rings',
  },
  {
    name: 'accepted-ring-used',
    file: 'src/membership/ring-acceptor.js',
    original: 'return { ok: true, reply: await this.#take(step) };',
    replacement: `const reply = await this.#take(step);
            if (reply.accepted)
                void this.#options.rings.adopt(bytes);
            return { ok: true, reply };`,
    wrong: 'a member acts on a ring that it accepted, before it is decided',
  },
  {
    name: 'survivors-without-probe-rule',
    file: 'src/membership/consent.js',
    original: 'export const SURVIVORS_WAIT_GRACES = 3;',
    replacement: 'export const SURVIVORS_WAIT_GRACES = 0;',
    wrong: 'members go on at once without others whose probes they have just answered',
  },
  {
    name: 'cut-off-replica-serves',
    file: 'src/membership/quorum-lease.js',
    original: 'return 2 * fresh > voters;',
    replacement: 'return fresh > 0;',
    wrong: 'a replica that is cut off goes on answering for quorums',
  },
  {
    name: 'accepted-terms-forgotten',
    file: 'src/membership/ring-acceptor.js',
    original: 'return this.#other.is ? this.#acceptedAt : undefined;',
    replacement: 'return undefined;',
    wrong: 'a member that accepted a ring with other voters lends leases by the one before as ever',
  },
  {
    name: 'founders-by-majority',
    file: 'src/membership/founding.js',
    original: 'quorum: allOf(nodes),',
    replacement: 'quorum: (accepted) => 2 * accepted.size > nodes.length,',
    wrong: 'a majority of the founders forms the cluster',
  },
  {
    name: 'given-up-but-never-gone',
    file: 'src/membership/former-cluster.js',
    original: 'return (goesOnFrom(ring, held) &&',
    replacement: 'return (ring.lineage === held.lineage &&',
    wrong: 'who was given up takes the forced ring as if it were listed there',
  },
  {
    name: 'forced-without-recovery',
    file: 'src/ring/forced-ring.js',
    original: 'before.recovering.includes(partition) || !isWhole(before, partition, left)',
    replacement: 'before.recovering.includes(partition)',
    wrong: 'after a forced ring fewer than all survivors of a partition are pulled from',
  },
  {
    name: 'older-start-wins',
    file: 'src/membership/started-with.js',
    original: 'this.#isKept ? undefined : this.replicationFactor',
    replacement: 'this.replicationFactor',
    wrong: 'what nodes were started with undoes a change that was made since',
  },
  {
    name: 'chance-from-outside',
    file: 'src/runtime/loop.js',
    original: 'random.fraction()',
    replacement: 'Math.random()',
    wrong: 'the pauses of loops do not follow from the seed',
    alone: 'determinism',
  },
  {
    name: 'state-shared-by-all-nodes',
    file: 'src/coordinator/write-once.js',
    original: '#serving = new Map();',
    replacement: '#serving = (globalThis.servedByAnyNode ??= new Map());',
    wrong: 'the writes under way belong to the module, so that one node answers for another',
  },
];
