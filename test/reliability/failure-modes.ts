/**
 * Ways in which stores of this kind fail, as far as Quorate can meet them by now, and the tests that
 * would notice. The numbers are those of the list of failure modes that the project works along; what is
 * not in here belongs to later work. `reliability.test.ts` holds that every test named exists.
 */
import type { CheckerName } from '../simulator/flaw.ts';
import type { RunFault } from '../simulator/omissions.ts';

/** A test by its file below `test/` and its name there; a name made of a template, as it is written. */
type TestName = readonly [file: string, name: string];

export interface FailureMode {
  readonly number: string;
  /** What goes wrong, for people. */
  readonly words: string;
  readonly tests: readonly TestName[];
  /** Faults of simulated runs that bring it about. */
  readonly faults?: readonly RunFault[];
  /** Judges that would speak. */
  readonly judges?: readonly CheckerName[];
  /** Planted bugs that are this failure. */
  readonly mutants?: readonly string[];
  /** Why no test can be there yet. */
  readonly notYet?: string;
}

const SEEDS: TestName = [
  'simulation/seeds.test.ts',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the name as it is written there
  '${RUNS} seeds on all cores: none breaks a promise, every kind of fault strikes',
];

export const FAILURE_MODES: readonly FailureMode[] = [
  {
    number: '1',
    words: "a later write loses because its coordinator's clock is behind",
    tests: [
      [
        'simulation/data-path.test.ts',
        'that are apart by less than the allowed skew change no order (failure mode 1)',
      ],
      [
        'integration/wrong-clock.test.ts',
        'off by %s s, less than is allowed, a later write wins through any node (failure mode 1)',
      ],
    ],
    faults: ['clock_offset', 'clock_drift', 'clock_jump'],
    mutants: ['one-phase-write', 'version-not-above'],
  },
  {
    number: '2',
    words: 'two writes at the same time leave different winners on different replicas',
    tests: [SEEDS],
    judges: ['register', 'linearizability', 'convergence'],
    mutants: ['merge-by-arrival'],
  },
  {
    number: '3',
    words: 'equal versions, or an order with gaps, mix two writes',
    tests: [
      [
        'version/version.test.ts',
        'orders by physical time, then counter, then node, then incarnation',
      ],
      ['version/merge.test.ts', 'does not depend on the order of two'],
      ['version/merge.test.ts', 'does not depend on the grouping of three'],
      ['version/merge.test.ts', 'changes nothing when repeated'],
    ],
    judges: ['versions'],
    mutants: ['counter-stands-still'],
  },
  {
    number: '4',
    words: 'a clock jumps back and versions with it',
    tests: [
      [
        'replica/version-clock.test.ts',
        'rises over restarts, also when the wall clock was set back meanwhile (failure mode 4)',
      ],
      [
        'integration/wrong-clock.test.ts',
        'jumping by %s under load, it coordinates no write, no key is poisoned, and nothing is lost (failure modes 4 and 5)',
      ],
      [
        'integration/wrong-clock.test.ts',
        'set back by an hour, its own versions still rise over a restart (failure mode 4)',
      ],
    ],
    faults: ['clock_jump', 'crash'],
    mutants: ['clock-bound-not-kept'],
  },
  {
    number: '5',
    words: 'a clock far ahead writes a value that can never be overwritten',
    tests: [
      [
        'simulation/data-path.test.ts',
        'cannot poison a key with a version far ahead, at any level (failure mode 5)',
      ],
      [
        'simulation/data-path.test.ts',
        'is noticed before the node coordinates a write, so no version of it spreads',
      ],
      [
        'integration/wrong-clock.test.ts',
        'jumping by %s under load, it coordinates no write, no key is poisoned, and nothing is lost (failure modes 4 and 5)',
      ],
    ],
  },
  {
    number: '6',
    words: 'the counter of a version overflows',
    tests: [
      [
        'version/hybrid-logical-clock.test.ts',
        'carries into the physical part: more versions in one millisecond than the counter holds (failure mode 6)',
      ],
    ],
  },
  {
    number: '7',
    words: 'nobody knows whether a write that timed out took effect',
    tests: [
      [
        'integration/killed-nodes.test.ts',
        'with a quorum of the replicas killed nothing is acknowledged, and the answer names who is missing',
      ],
      [
        'integration/network-faults.test.ts',
        '%s, quorum requests through the others go on, and nothing is lost',
      ],
      [
        'integration/network-faults.test.ts',
        'under a storm of resets, whatever is acknowledged stays, and afterwards all is well',
      ],
      ['http/values.test.ts', 'is told with its counts, replicas and outcome'],
      SEEDS,
    ],
    judges: ['not-applied'],
    mutants: ['silence-is-not-applied'],
  },
  {
    number: '8',
    words: 'a write that failed shows, and vanishes again',
    tests: [
      [
        'simulation/data-path.test.ts',
        'brings a version that one replica alone holds to a quorum before it returns it (failure mode 8)',
      ],
    ],
    mutants: ['read-without-write-back'],
  },
  {
    number: '9',
    words: 'reads at quorum go back in time',
    tests: [SEEDS],
    judges: ['register', 'linearizability'],
    mutants: ['read-without-write-back', 'half-is-a-quorum'],
  },
  {
    number: '10',
    words: 'repair spreads an old value over one that a replica has lost',
    tests: [
      [
        'simulation/data-path.test.ts',
        '%s is what a read returns, whichever replicas it reaches, or else it fails (failure mode 10)',
      ],
      [
        'simulation/data-path.test.ts',
        'repairs every stale replica, not only those that answered first',
      ],
    ],
    faults: ['bit_flip', 'wipe'],
    judges: ['acknowledged-kept', 'convergence'],
    mutants: ['damaged-read-as-nothing', 'repair-of-the-first-answers-only'],
  },
  {
    number: '11',
    words: 'a repair overwrites a delete that came at the same time',
    tests: [
      ['replica/replica.test.ts', 'keeps the higher version, in whatever order two records arrive'],
      [
        'simulation/data-path.test.ts',
        'that finds a tombstone on one replica alone brings it to a quorum before it says so',
      ],
    ],
    judges: ['acknowledged-kept', 'no-going-back'],
    mutants: ['merge-by-arrival', 'delete-removes-the-record'],
  },
  {
    number: '12',
    words: 'stand-ins make up a quorum that the next one does not meet',
    tests: [
      ['quorum/quorum.test.ts', 'counts no node that is not a replica: no hint and no stand-in'],
      ['quorum/quorum.test.ts', 'any two quorums of one replica set share a replica'],
      ['simulation/data-path.test.ts', 'two of three are told by name, and nothing is written'],
      [
        'integration/network-faults.test.ts',
        'with every way cut, no write is acknowledged; healed, the cluster serves by itself',
      ],
    ],
    faults: ['full_split', 'partial_split', 'one_way_split'],
    mutants: ['unreachable-replica-counts', 'half-is-a-quorum'],
  },
  {
    number: '13',
    words: 'an empty replica answers "not found", and that is believed',
    tests: [
      [
        'simulation/data-path.test.ts',
        'takes "nothing" from an empty replica for an answer, and returns what another holds (failure mode 13)',
      ],
    ],
  },
  {
    number: '14',
    words: 'a replica has lost its disk and goes on under its old name',
    tests: [
      [
        'simulation/data-path.test.ts',
        'answers for nothing, so no read misses what it had acknowledged (failure mode 14)',
      ],
    ],
    faults: ['wipe'],
    mutants: ['wiped-node-keeps-its-name'],
  },
  {
    number: '15',
    words: 'a message that arrives twice takes effect twice',
    tests: [
      ['replica/replica.test.ts', 'writes nothing when a record comes twice'],
      [
        'coordinator/write-once.test.ts',
        'stays refused when it was refused, though there is room now',
      ],
      [
        'coordinator/write-once.test.ts',
        'gets the answer of the first message while that is served',
      ],
    ],
    faults: ['duplication', 'reordering'],
  },
  {
    number: '16',
    words: 'a conditional write that is tried again reports failure though the first try won',
    tests: [],
    notYet: 'there are no conditional writes yet; their headers are refused with 501',
  },
  {
    number: '16a',
    words: 'a write that is tried again within takes effect twice: x, y, x',
    tests: [SEEDS],
    judges: ['register', 'not-applied'],
    mutants: ['silent-rewrite'],
  },
  {
    number: '20',
    words: 'two changes of the ring at once take the same partitions',
    tests: [
      [
        'simulation/ring-changes.test.ts',
        'a member that leaves while another one joins (failure mode 20)',
      ],
      ['simulation/ring-changes.test.ts', 'two nodes that join at once'],
      SEEDS,
    ],
    faults: ['join', 'leave', 'death', 'factor'],
    judges: ['rings'],
    mutants: ['no-second-pull-after-a-fold'],
  },
  {
    number: '21',
    words: 'a new replica takes its data from a single old one, which lacks some',
    tests: [
      ['simulation/transfers.test.ts', 'two of the old replicas are enough, and one is not'],
      ['stabilizer/partition-pull.test.ts', 'needs n-q+1 of the old replicas'],
    ],
    judges: ['placement', 'register'],
    mutants: ['one-source-is-enough', 'kept-replicas-do-not-pull'],
  },
  {
    number: '22',
    words:
      'a coordinator with an old ring has its writes acknowledged by those that are replicas no more',
    tests: [
      [
        'simulation/ring-changes.test.ts',
        'a coordinator that slept over three changes of the ring acknowledges nothing to those that were replicas (failure modes 22, 23)',
      ],
    ],
    judges: ['acknowledged-kept'],
    mutants: ['older-epochs-served'],
  },
  {
    number: '23',
    words: 'a message of an old epoch arrives late and is obeyed',
    tests: [
      [
        'simulation/ring-changes.test.ts',
        'a coordinator that slept over three changes of the ring acknowledges nothing to those that were replicas (failure modes 22, 23)',
      ],
      ['simulation/epochs.test.ts', 'is taken by the replicas before they serve its coordinator'],
    ],
    faults: ['reordering', 'delay'],
    mutants: ['older-epochs-served'],
  },
  {
    number: '24',
    words: 'a transfer of an old epoch goes on and brings deleted data back',
    tests: [
      [
        'stabilizer/partition-pull.test.ts',
        'dies with its epoch, and takes the ring of a source that refused its own',
      ],
      [
        'simulation/transfers.test.ts',
        'what a transition that was given up left behind brings no deleted record back (failure mode 24)',
      ],
    ],
    mutants: ['older-epochs-served'],
  },
  {
    number: '25',
    words: 'what was written a moment ago is lost when its partition moves',
    tests: [
      [
        'simulation/transfers.test.ts',
        'writes go on, and none that was acknowledged is missing in the end',
      ],
      [
        'simulation/handoff.test.ts',
        'two nodes join and two leave, again and again, while 40 clients write 10 keys: nothing is lost, and no request fails (failure mode 25)',
      ],
      SEEDS,
    ],
    faults: ['join', 'leave'],
    judges: ['placement', 'acknowledged-kept', 'register'],
    mutants: ['transition-ends-early', 'new-set-alone', 'old-set-alone', 'settled-by-one-set'],
  },
  {
    number: '26',
    words: 'two rings of one epoch are in force',
    tests: [
      [
        'simulation/ring-changes.test.ts',
        'two operators that ask at once: exactly one wins (failure mode 26)',
      ],
    ],
    judges: ['rings'],
    mutants: ['minority-decides', 'accepted-ring-used', 'founders-by-majority'],
  },
  {
    number: '27',
    words: 'a node that only paused is believed dead',
    tests: [
      ['swim/story.test.ts', 'one that pauses for 3 s convicts nobody, and nobody convicts it'],
      [
        'simulation/failure-detection.test.ts',
        'of %i that pauses for 3 s convicts nobody, and nobody it',
      ],
      [
        'simulation/failure-detection.test.ts',
        'over a day of nodes with pauses of 0.5 to 30 s, nobody who did not pause for 3 s is believed dead (failure mode 27)',
      ],
      [
        'integration/failure-detection.test.ts',
        'one that hangs for 3 s and goes on is dead for nobody, and nobody for it',
      ],
    ],
    faults: ['pause'],
  },
  {
    number: '28',
    words: 'one sick node accuses all the others',
    tests: [
      ['swim/story.test.ts', 'one that hears little makes none of the others believe another dead'],
      [
        'simulation/failure-detection.test.ts',
        'that hears little makes none of the others believe another dead or suspect',
      ],
    ],
  },
  {
    number: '29',
    words: 'a way that is cut in one direction makes the view of the members flap',
    tests: [
      ['swim/story.test.ts', 'a way that is cut in one direction, or both, makes nobody suspect'],
      ['simulation/failure-detection.test.ts', 'when one way between two nodes is cut'],
    ],
    faults: ['one_way_split'],
  },
  {
    number: '30',
    words: 'nodes that are cut off from each other, and not from the rest, are believed dead',
    tests: [
      ['simulation/failure-detection.test.ts', 'when two nodes are cut off from each other'],
      ['simulation/failure-detection.test.ts', 'when each node has lost another one'],
    ],
    faults: ['partial_split'],
  },
  {
    number: '31',
    words: 'a node that is away for a moment sets off copying',
    tests: [
      [
        'simulation/ring-changes.test.ts',
        'for less than the grace period moves nothing (failure mode 31)',
      ],
      ['integration/returning-nodes.test.ts', 'with its disk is the same member, and no data move'],
    ],
  },
  {
    number: '32',
    words: 'a switch fails, many nodes are gone, and everything is copied everywhere',
    tests: [
      [
        'simulation/ring-changes.test.ts',
        'three of seven at once: nothing is moved, and an alarm raised, until one is back (failure mode 32)',
      ],
      [
        'simulation/ring-changes.test.ts',
        'two of five at once: what all replicas had is all there (failure mode 32)',
      ],
    ],
    faults: ['death'],
  },
  {
    number: '33',
    words: 'the smaller side of a split moves data, or both sides acknowledge',
    tests: [
      [
        'simulation/ring-changes.test.ts',
        '2|3: two keep their epoch, move and acknowledge nothing; three go on (failure mode 33)',
      ],
      [
        'simulation/ring-changes.test.ts',
        'as the ring with other voters is decided: those that did not hear of it stop',
      ],
      SEEDS,
    ],
    faults: ['long_split', 'split_at_decision'],
    judges: ['rings', 'placement'],
    mutants: [
      'minority-decides',
      'cut-off-replica-serves',
      'survivors-without-probe-rule',
      'accepted-terms-forgotten',
    ],
  },
  {
    number: '34',
    words: 'a node that was replaced comes back and serves what it had',
    tests: [
      ['simulation/return.test.ts', 'never serves what it set aside'],
      [
        'simulation/ring-changes.test.ts',
        'comes back as another one, and what was deleted meanwhile stays deleted (failure modes 34, 35)',
      ],
      [
        'integration/returning-nodes.test.ts',
        'a node that was replaced comes back with %s, is a member again, and serves',
      ],
    ],
    faults: ['death', 'remove'],
    judges: ['placement'],
    mutants: ['returned-data-given-up'],
  },
  {
    number: '35',
    words: 'a node that was away for very long brings deleted data back',
    tests: [
      [
        'simulation/ring-changes.test.ts',
        'comes back as another one, and what was deleted meanwhile stays deleted (failure modes 34, 35)',
      ],
    ],
    faults: ['death'],
    judges: ['acknowledged-kept'],
  },
  {
    number: '36',
    words: 'two nodes have one identity: a data directory was copied',
    tests: [
      [
        'integration/refused-starts.test.ts',
        'when it was made before the member was started again',
      ],
      [
        'integration/refused-starts.test.ts',
        'when it was made while the member ran: that one goes on, and may be started again',
      ],
      [
        'integration/refused-starts.test.ts',
        'of two that start at once on one data directory, and each meet another member, one is refused by both',
      ],
      [
        'integration/refused-starts.test.ts',
        'a member that is killed and started again, time after time, is never taken for two',
      ],
    ],
  },
  {
    number: '37',
    words: 'a wrong seed makes one cluster of two',
    tests: [
      [
        'integration/refused-starts.test.ts',
        'the cluster has another name: it ends, with both names',
      ],
      [
        'integration/refused-starts.test.ts',
        'it belongs to another one of the same name: each goes on by itself',
      ],
    ],
  },
  {
    number: '38',
    words: 'a node is taken for the one that had its address before',
    tests: [
      [
        'integration/returning-nodes.test.ts',
        'two nodes that come back each at the address of the other are who they were (failure mode 38)',
      ],
    ],
  },
  {
    number: '39',
    words: 'all nodes start at once under load, and keep each other from it',
    tests: [
      [
        'integration/killed-nodes.test.ts',
        'all five killed and started again at once under load are ready within 30 s, and nothing is lost (failure mode 39)',
      ],
    ],
    faults: ['crash_of_all'],
  },
  {
    number: '40',
    words: 'a member leaves though the others are fewer than the copies',
    tests: [
      [
        'simulation/ring-changes.test.ts',
        'a member may not leave when fewer would stay than there are copies (failure mode 40)',
      ],
      [
        'integration/operator.test.ts',
        'of two operators at once exactly one wins, and too few members cannot be left',
      ],
    ],
  },
  {
    number: '41',
    words: 'one node is started with another number of copies',
    tests: [
      [
        'integration/replication-factor.test.ts',
        'a single node that comes back with another one is refused, with both numbers, and the cluster goes on',
      ],
    ],
  },
  {
    number: '42',
    words: 'a write is acknowledged before it is on the disk, and the power goes',
    tests: [
      ['replica/replica.test.ts', 'acknowledges only after the sync, and shows nothing before it'],
      ['storage/lmdb-process.test.ts', 'syncs before it acknowledges (skipped without strace)'],
      [
        'storage/lmdb-process.test.ts',
        'that is killed under load has lost nothing it acknowledged, and no part of a batch',
      ],
    ],
    faults: ['crash', 'crash_of_all'],
    judges: ['acknowledged-kept'],
    mutants: ['acknowledged-before-the-sync', 'older-write-does-not-wait'],
  },
  {
    number: '43',
    words: 'all replicas lose power together',
    tests: [
      ['simulation/data-path.test.ts', 'every acknowledged write is there'],
      [
        'integration/killed-nodes.test.ts',
        'a thousand keys survive kill -9 of all five processes at once and a restart',
      ],
      [
        'integration/kills.test.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the name as it is written there
        '${KILLS} kills lose no acknowledged write (FAULT_SEED=${SEED})',
      ],
    ],
    faults: ['crash_of_all'],
    judges: ['acknowledged-kept'],
  },
  {
    number: '44',
    words: 'a sync fails, is tried again, and reports success for what is gone',
    tests: [
      ['storage/fail-stop-store.test.ts', 'ends the node at the first failed %s'],
      [
        'storage/fail-stop-store.test.ts',
        'takes no call after that, even when the disk is well again, and ends the node once',
      ],
      [
        'integration/failing-sync.test.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the name as it is written there
        'ends with 1 whichever sync it was (${CALLS.length} of them), and the cluster loses nothing',
      ],
      [
        'integration/failing-sync.test.ts',
        'has every write that it acknowledged before, and counted for none that it did not',
      ],
    ],
    faults: ['failing_sync'],
    mutants: ['failed-sync-ignored'],
  },
  {
    number: '45',
    words: 'a write is cut off in the middle',
    tests: [['version/record-codec.test.ts', 'tells of being cut off at any byte']],
    faults: ['torn_write'],
    mutants: ['checksum-not-verified'],
  },
  {
    number: '46',
    words: 'bits flip on the disk',
    tests: [
      [
        'integration/damaged-file.test.ts',
        "flipped bytes in a replica's LMDB file are never returned, and a read heals them",
      ],
      ['version/record-codec.test.ts', 'tells of any flipped bit, in the key as in the value'],
      [
        'replica/scrub.test.ts',
        'notices a record that is gone without a trace: from then on absence is damage',
      ],
      ['replica/scrub.test.ts', 'names the keys whose records fail their checksum'],
      ['simulation/data-path.test.ts', 'is found by the scrub when nobody reads it, and healed'],
    ],
    faults: ['bit_flip'],
    mutants: ['checksum-not-verified', 'damaged-read-as-nothing'],
  },
  {
    number: '47',
    words: 'a record lies where another belongs',
    tests: [
      [
        'replica/scrub.test.ts',
        'notices a record under the key of another: its own place may be empty',
      ],
      SEEDS,
    ],
    faults: ['swapped_records'],
    mutants: ['record-of-another-key-taken'],
  },
  {
    number: '48',
    words: 'the disk is full',
    tests: [
      [
        'integration/full-disk.test.ts',
        'full disks answer 507 and lose nothing; reads and deletes go on, and with room so do writes (skipped without root)',
      ],
      [
        'storage/lmdb-store.test.ts',
        'refuses to the last byte, without losing anything, and comes out of it',
      ],
      [
        'simulation/data-path.test.ts',
        'is announced before anything is sent: 507 and nothing applied; reads and deletes go on',
      ],
    ],
    faults: ['full_disk'],
    mutants: ['never-room-again'],
  },
  {
    number: '49',
    words: 'one disk, or one node, is slow and drags the others along',
    tests: [
      [
        'simulation/data-path.test.ts',
        "a coordinator's own slow disk delays no answer beyond the timeout, and nothing is sent late",
      ],
      [
        'simulation/data-path.test.ts',
        'a hanging disk of the node that is asked costs a request its timeout and no more',
      ],
      [
        'integration/paused-replica.test.ts',
        'quorum requests take less than 50 ms (p99) from the moment that a replica hangs',
      ],
    ],
    faults: ['slow_disk', 'pause', 'delay'],
  },
  {
    number: '50',
    words: 'a node runs out of file descriptors',
    tests: [
      [
        'integration/overload.test.ts',
        'a node out of file descriptors turns clients away, keeps its place, and recovers (failure mode 50)',
      ],
    ],
  },
  {
    number: '51',
    words: 'a file of the node itself is cut off or half written',
    tests: [
      [
        'storage/lmdb-store.test.ts',
        'a file of the LMDB store cut off within its first two pages is refused (failure mode 51)',
      ],
      ['ring/ring-codec.test.ts', 'cut off at any byte give no ring (failure mode 51)'],
      ['ring/ring-codec.test.ts', 'with any byte flipped give no ring'],
    ],
  },
  {
    number: '53',
    words: 'what waits for a slow replica grows without end',
    tests: [
      [
        'rpc/upgrade-transport.test.ts',
        'shed calls to a peer that answers nothing, repair before clients before membership',
      ],
      ['rpc/upgrade-transport.test.ts', 'hold in bytes while there is no connection'],
      [
        'integration/paused-replica.test.ts',
        'what waits for a replica that hangs is bounded, however much is written (failure mode 53)',
      ],
    ],
    judges: ['bounds'],
    mutants: ['queue-of-a-key-stays', 'repair-never-over'],
  },
  {
    number: '56',
    words: 'nodes work for clients that gave up',
    tests: [
      ['rpc/hostile-peer.test.ts', 'has requests refused whose time was up when they came'],
      [
        'simulation/data-path.test.ts',
        "a coordinator's own slow disk delays no answer beyond the timeout, and nothing is sent late",
      ],
    ],
    judges: ['deadlines'],
    mutants: ['expired-work-done'],
  },
  {
    number: '58',
    words: 'large values hold up everything else',
    tests: [
      [
        'http/overload.test.ts',
        'many values of 1 MiB at once do not keep the event loop from its work',
      ],
      [
        'integration/overload.test.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the name as it is written there
        '${PUTS} values of 1 MiB at once hold up no light request (failure mode 58)',
      ],
    ],
  },
  {
    number: '68',
    words: 'a small message between nodes unpacks to something huge or deep',
    tests: [
      ['rpc/msgpack-guard.test.ts', 'refuses %s, at once and without taking memory'],
      ['rpc/hostile-peer.test.ts', 'is cut off when it sends %s'],
      [
        'rpc/fuzz.test.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the name as it is written there
        '%s: ${each} of them are taken in or refused, each at once',
      ],
      [
        'rpc/fuzz.test.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the name as it is written there
        'sent to a node, ${FRAMES_SENT} of them: a refused one changes nothing there and ends its connection at once',
      ],
    ],
  },
  {
    number: '70',
    words: 'a small compressed body unpacks to something huge',
    tests: [
      ['http/request-parts.test.ts', 'Content-Encoding %s is refused'],
      ['http/values.test.ts', 'with the headers %j is refused and nothing is stored'],
      [
        'integration/overload.test.ts',
        'a gzip of zeros is refused, not inflated (failure mode 70)',
      ],
    ],
  },
  {
    number: '71',
    words: 'clients that send or read slowly take the places of others',
    tests: [
      ['http/overload.test.ts', 'that never finishes %s is told 408 and cut off'],
      ['http/overload.test.ts', 'slow uploads take nobody a place'],
      [
        'http/overload.test.ts',
        'when too much waits for slow clients, the slowest are cut off and the others served',
      ],
      [
        'integration/overload.test.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the name as it is written there
        "${SOCKETS} slow sockets are in nobody's way (failure mode 71)",
      ],
    ],
  },
  {
    number: '72',
    words: 'a request hides in another',
    tests: [
      ['http/smuggling.test.ts', 'behind %s'],
      ['http/smuggling.test.ts', 'in the body of a %s, which means nothing'],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the name as it is written there
      ['http/fuzz.test.ts', 'the server survives ${ROUNDS} requests'],
      ['http/pipelines.test.ts', 'nothing is served behind an answer that ends the connection'],
      [
        'http/pipelines.test.ts',
        'an upgrade behind a write does not take the answer that the write will get',
      ],
    ],
  },
];
