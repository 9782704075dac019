/**
 * What was wrong and who found it. A seed means something else whenever the simulator draws differently;
 * what it showed then is in the commit that mended it.
 */

export interface FoundBug {
  readonly wrong: string;
  /** Of simulated runs; none where another kind of test found it. */
  readonly seeds: readonly number[];
  /** The commit that mended it: the first digits of its hash, and its subject. */
  readonly commit: string;
  readonly subject: string;
}

const STRIKES = {
  commit: 'fef18ce',
  subject: 'simulator: strike with faults, judge the history, require convergence',
} as const;
const SCRUB = {
  commit: 'e0972e8',
  subject: 'replica: notice records that vanish without a trace',
} as const;
const TOLD_WHERE = {
  commit: '954fa14',
  subject: 'membership: tell whoever looks for a cluster where it went',
} as const;

export const FOUND_BY_SIMULATION: readonly FoundBug[] = [
  {
    wrong:
      'A write that had reached one replica only stayed there when that replica was the straggler of every' +
      ' read: what came after the answer was not spread.',
    seeds: [5206, 5256, 5490, 5622, 5629],
    ...STRIKES,
  },
  {
    wrong:
      'A failed sync while a version was drawn, and a full disk while a node started, came out as' +
      ' unexpected errors.',
    seeds: [],
    ...STRIKES,
  },
  {
    wrong:
      'A replica refused a write for want of room and took a second copy of the same message when there was' +
      ' room, after the client had been told `not_applied`.',
    seeds: [30033],
    commit: '0c73352',
    subject: "coordinator: serve each client's write once, however often it arrives",
  },
  {
    wrong:
      'A write refused by a full disk made the replica forget earlier ones still on their way to the disk, so' +
      ' that an older write overwrote an acknowledged newer one.',
    seeds: [175, 223],
    commit: '7546f5c',
    subject: 'replica: remember writes under way when a later one is refused',
  },
  {
    wrong:
      'The scrub counted ahead of a batch that a full disk then refused, and missed records that never were' +
      ' (a false alarm; mended before the scrub landed).',
    seeds: [4],
    ...SCRUB,
  },
  {
    wrong:
      'A scrub that a full disk interrupted forgot a page that it had read, and missed its records (a false' +
      ' alarm; mended before the scrub landed).',
    seeds: [27, 36, 90, 104],
    ...SCRUB,
  },
  {
    wrong:
      "The simulator's own: an answer that its client did not live to hear was kept as heard, and judged as a" +
      ' read of the future.',
    seeds: [40273],
    commit: '9dbbb3c',
    subject: 'simulator: an answer that its client did not live to hear is unknown',
  },
  {
    wrong:
      "The simulator's own: the search for an order of many unknown writes had no bound and took all memory.",
    seeds: [],
    commit: 'a9754df',
    subject: 'simulator: bound the search for an order',
  },
  {
    wrong:
      'A full disk, met while a new ring was taken, ended the process: the ring is offered again with the next' +
      ' message of its epoch.',
    seeds: [2010],
    commit: 'ae7d636',
    subject: 'membership: take a ring later when the disk is full',
  },
  {
    wrong:
      'A copy that was healed while the ring changed could be removed from a replica again; what was on its way' +
      ' out was counted as held.',
    seeds: [33, 142],
    commit: '6aa4c55',
    subject: 'stabilizer: mend what changing rings brought to light',
  },
  {
    wrong:
      'A node that was taken in while it waited for the answer, and left again, asked the next member and was' +
      ' taken in once more, under an id that serves nothing.',
    seeds: [5048],
    ...TOLD_WHERE,
  },
  {
    wrong:
      'Members that were away while all those that they knew left found nobody who knew the cluster.',
    seeds: [913],
    ...TOLD_WHERE,
  },
  {
    wrong:
      'A request of a client ended in an unexpected error when the disk failed as a newer ring was taken for it.',
    seeds: [6046, 7194, 13383],
    ...TOLD_WHERE,
  },
  {
    wrong:
      'When all voters left with the ring that they had decided, and its only members had not heard of it, nobody' +
      ' told them: the transition never ended.',
    seeds: [15606, 15642],
    commit: 'c0a8440',
    subject: 'membership: keep the ring that went on without a node',
  },
  {
    wrong:
      "The simulator's own: the copies of an acknowledged write were asked for under a ring that was over (6008), a" +
      ' second copy of a message was served that the process had refused before it served anything (7197), runs were' +
      ' called at rest while an operator waited (14038), and offers judged by a later ring (17232).',
    seeds: [6008, 7197, 14038, 17232],
    commit: '44e0f3d',
    subject: 'simulator: look closer, for half of the time',
  },
  {
    wrong:
      'A replica that came back from a split counted the answers of members that had gone on without it, under a' +
      ' newer ring, as being in touch, and answered quorum requests until it had taken that ring.',
    seeds: [1000340],
    commit: 'b0e7a15',
    subject: 'membership: count no answer under a newer ring as being in touch',
  },
  {
    wrong:
      'A repair of which a message was lost kept all others of its key from beginning for ten seconds.',
    seeds: [1002101],
    commit: '20669ed',
    subject: 'coordinator: end a repair after five seconds',
  },
  {
    wrong:
      "The simulator's own: a delete that survivors found nothing for was to keep deleted what came back later.",
    seeds: [1003007],
    commit: '12c5542',
    subject: 'simulator: a delete that survivors found nothing for has deleted nothing',
  },
  {
    wrong:
      'A damaged copy on the only member that stayed was never healed while the ring was joint, because its new set' +
      ' had nobody else: the transition did not end.',
    seeds: [1005897],
    commit: 'dc051cb',
    subject: 'coordinator: heal from the old set while the ring is joint',
  },
  {
    wrong:
      'A copy that had lost records without a trace stayed marked after its pull from enough other replicas had made' +
      ' it whole. When those left, it was the only one, refused to be a source, and no later change ended.',
    seeds: [1000742],
    commit: '230c864',
    subject: 'stabilizer: make a lossy copy whole by its pull',
  },
  {
    wrong:
      "The simulator's own: a member cut off until the faults ended counted as no fault, and the requests that failed" +
      ' for it as too many.',
    seeds: [1009439],
    commit: '8674f98',
    subject: 'simulator: take a long split that lasts to the end for a fault',
  },
  {
    wrong:
      "The simulator's own: copies were compared while a node took its place again that had missed being sent away.",
    seeds: [1010754],
    commit: 'efecb0c',
    subject: 'simulator: compare copies again after a node that missed its leave comes back',
  },
  {
    wrong:
      'A node that had heard that all replicas had pulled slept, and then proposed the settled ring with a newcomer' +
      ' whose disk was lost meanwhile: one of its two members was gone for good. (A run now takes no such disk.)',
    seeds: [1004238],
    commit: '70923b8',
    subject: 'stabilizer: settle no ring on a new replica that died since',
  },
  {
    wrong:
      'A second copy of a write that had been accepted was refused, since the disk was full by then, and the refusal' +
      ' was there before the acknowledgement: "not applied" was said of a write that was on disk.',
    seeds: [1016598],
    commit: '1be3f4a',
    subject: 'coordinator: never refuse a write that this replica accepted before',
  },
  {
    wrong:
      'Members that an operator had given up answered each other as the majority they once were, when they came back' +
      ' together and had not heard of the ring that goes on without them yet.',
    seeds: [2887],
    commit: '79885f9',
    subject: 'stabilizer: let an operator give up members that are gone for good',
  },
  {
    wrong:
      "The judges' own: of survivors it was asked that a delete is above all that had been acknowledged before they went" +
      ' on, which a clock far ahead may have written on those that are gone.',
    seeds: [2000878],
    commit: 'a1644bf',
    subject: 'simulator: ask of survivors only what was acknowledged since they went on',
  },
  {
    wrong:
      'A failed sync took the batch that counted a record and left a later one; who gave the partition up then kept that' +
      ' record for ever, and no scrub counted it.',
    seeds: [3000279],
    commit: '3ddd624',
    subject: 'replica: let the scrub find partitions that were never counted',
  },
  {
    wrong:
      'A write that only a given-up member had, by a clock that was ahead, came back over a delete that was acknowledged' +
      ' after the ring had been forced.',
    seeds: [1006288],
    commit: '451f327',
    subject: 'ring: list those who were given up, and bound the versions, in the ring',
  },
  {
    wrong:
      'The two parts of a cluster never met after a split: all who had forced a ring, and knew where the others lived, had' +
      ' been replaced meanwhile.',
    seeds: [1019492],
    commit: '451f327',
    subject: 'ring: list those who were given up, and bound the versions, in the ring',
  },
  {
    wrong:
      'While any member was missing, a node that had restarted answered for no quorum for two seconds, and fewer than half' +
      ' of the requests succeeded while nodes crashed. (The judge was too strict as well where several were down.)',
    seeds: [1007721, 1012476],
    commit: 'a18f2ca',
    subject: 'membership: count for quorums as soon as the members were looked for',
  },
  {
    wrong:
      "The judges' own: members that survivors had gone on without, and upon whom an operator forced a ring, were not to" +
      ' serve under it.',
    seeds: [4001835],
    commit: 'bea80ab',
    subject: 'simulator: let an operator force a ring upon those who were given up',
  },
];

export const FOUND_BY_REAL_PROCESSES: readonly FoundBug[] = [
  {
    wrong:
      "The judges' own: at the end of a run those were started whom an operator was just giving up for good, and the forced" +
      ' ring was decided with everybody back.',
    seeds: [1003330, 10254],
    commit: '2f93c59',
    subject: 'test: leave those dead who are being given up',
  },
  {
    wrong:
      'A member that left the cluster went on acknowledging the writes that were under way on its disk, which it had just' +
      ' set aside; at level one such an answer decides alone (seen beside simulator seed 1013565).',
    seeds: [],
    commit: '9f55349',
    subject: 'coordinator: count no write for which a replica left meanwhile',
  },
  {
    wrong:
      'Of two members that asked for a change at once, the one whose change was carried on by the other was told that nothing had' +
      ' been changed (found by reading).',
    seeds: [],
    commit: 'b6331e2',
    subject: 'membership: tell a proposer what became of his ring when others carried it on',
  },
  {
    wrong:
      'Both sides of a split acknowledged writes where the split fell into the moment in which a ring with other voters was' +
      ' decided: the leases of the ring before never ended (found by reading).',
    seeds: [],
    commit: 'b07807a',
    subject: 'membership: end the leases of a ring when the next one has other terms',
  },
  {
    wrong:
      'A member that missed the change from `wait` to `use`, or to a much smaller grace period, went on serving by the old one' +
      ' when the others had gone on without it (found by reading).',
    seeds: [],
    commit: 'e6e1364',
    subject: 'ring: shorten a grace period, and stop to wait for survivors, in steps',
  },
  {
    wrong:
      'A replica that had been given up while its disk stalled acknowledged a write that it stored as it learnt that' +
      ' (found by reading).',
    seeds: [],
    commit: 'a921453',
    subject: 'coordinator: ask for the lease of a replica that has left, too',
  },
  {
    wrong:
      'A transition did not end when a member that had to pull died while two others were being replaced: with them it was' +
      ' one too many (found by reading).',
    seeds: [],
    commit: '68fd579',
    subject: 'stabilizer: freeze for those alone whose replacement is not decided',
  },
  {
    wrong:
      'After a forced ring a value was absent that one survivor had, until the pulls were over: a read was content' +
      ' with a quorum of the survivors, of whom some had pulled nothing yet (found by reading).',
    seeds: [],
    commit: 'ad679c7',
    subject: 'coordinator: read from all that survives of an old set',
  },
  {
    wrong:
      'A healing undid an acknowledged write: it arrived at a replica that had been stopped, after the end of the' +
      ' write’s request, and showed what others held before it (found by reading).',
    seeds: [],
    commit: '30475a3',
    subject: 'replica: judge a healing by when the others were asked',
  },
  {
    wrong:
      'A transition never ended when one copy of a partition was damaged and another one gone for good, and two' +
      ' such copies kept all other partitions waiting (found by reading).',
    seeds: [],
    commit: '91f9467',
    subject: 'stabilizer: go on where damage keeps too few copies sound',
  },
  {
    wrong:
      'What a member that left had alone acknowledged, at level one, went with it; and a lossy copy counted a' +
      ' source that could not tell yet (found by reading).',
    seeds: [],
    commit: 'b1ff025',
    subject: 'stabilizer: pull from those who leave, and from nobody before he can tell of a loss',
  },
  {
    wrong:
      'A surplus copy was removed with a record that was offered to nobody, where its first walk broke off at an' +
      ' error that passed (found by reading).',
    seeds: [],
    commit: 'b297ace',
    subject: 'stabilizer: remove no surplus whose first walk broke off',
  },
  {
    wrong:
      'One place that could not be read marked all partitions behind it as lossy (found by reading).',
    seeds: [],
    commit: '0401989',
    subject: 'replica: hold a place that cannot be read against its own partition only',
  },
  {
    wrong:
      'A disk that was put back to before a repair passed for whole, when nobody wrote through that node since' +
      ' (found by reading).',
    seeds: [],
    commit: '3f70310',
    subject: 'replica: move the bound of the clock after whatever was stored',
  },
  {
    wrong:
      'A disk that was put back to before an earlier start was refused as a clone for good, and never counted as' +
      ' lost (found by reading).',
    seeds: [],
    commit: '4f7ed27',
    subject: 'rpc: refuse another life of a node only while the known one answers',
  },
  {
    wrong:
      'A member to which nobody can connect, but which connects to others, was never found dead; and what a deaf' +
      ' node had believed of a member stayed, where only the direct way to it was cut (found by reading).',
    seeds: [],
    commit: '46c5695',
    subject: 'swim: let words alone bring nobody back, and helpers carry them',
  },
  {
    wrong:
      'Two parts of a cluster that was forced did not come together when voters of the forced ring had moved (found' +
      ' by reading).',
    seeds: [],
    commit: 'b187940',
    subject: 'membership: count voters of a forced ring that have moved',
  },
  {
    wrong:
      'Two members that both moved while the other one stayed up never found each other (found by reading).',
    seeds: [],
    commit: 'a32b8d2',
    subject: 'membership: have helpers tell where they reached a member',
  },
  {
    wrong:
      'A member that was asked to leave, and missed all of it, came back by itself (found by reading).',
    seeds: [],
    commit: 'cac3497',
    subject: 'ring: remember who was asked to leave',
  },
  {
    wrong:
      "The judges' own: an acknowledged write was missed on the disk of a member that had left before, and had told nobody" +
      ' yet of the ring that went on without it.',
    seeds: [1013565],
    commit: 'f025a58',
    subject: 'test: know a ring by those who left by it',
  },
  {
    wrong:
      'A wall clock that jumped ahead between the check of the clock and the drawing of a version went into that' +
      ' version and all later ones of the node, and its peers refused them (faketime, `wrong-clock.test.ts`).',
    seeds: [],
    commit: '1404884',
    subject: 'coordinator: look at the clock again when a version is drawn',
  },
  {
    wrong:
      'After a step of the wall clock beyond the grace period, or a suspension, all nodes answered 503 for up to a' +
      ' second: each waited for its next probes (`wrong-clock.test.ts`).',
    seeds: [],
    commit: 'b28f5a4',
    subject: 'membership: meet all members anew when the wall clock steps',
  },
  {
    wrong:
      'Of a machine that was cut off, whose clock was set back and which was suspended then, the replicas answered at' +
      ' quorum while the others had gone on without them (found by reading).',
    seeds: [],
    commit: 'f837e28',
    subject: 'membership: take nothing from before a step of the clock for fresh',
  },
  {
    wrong:
      'The refusal of an upgrade that was sent behind a write left before the answer of the write, and was taken' +
      ' for it (raw HTTP, `FUZZ_SEED=-1948860207`).',
    seeds: [],
    commit: 'ad14da5',
    subject: 'http: break a connection whose upgrade comes behind a request being served',
  },
  {
    wrong:
      'An LMDB file cut off within its first two pages took the process along instead of being refused' +
      ' (truncation at every place).',
    seeds: [],
    commit: 'c234ce8',
    subject: 'storage: refuse an LMDB file that ends within its first two pages',
  },
  {
    wrong:
      'On one connection, behind a request still being answered and one whose path is none, a third one was never' +
      ' answered (raw HTTP).',
    seeds: [],
    commit: '17a58a2',
    subject: 'http: serve what comes behind an answer that took no turn',
  },
];
