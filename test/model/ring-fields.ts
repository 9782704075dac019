/** Where in a state of a ring change the fields are: some for each node, then those of nobody. */

/** Per node: its epoch, the version it holds (0: nothing), whom it pulled from, what is under way. */
export const EPOCH = 0;
export const VALUE = 1;
/** The nodes whose answers to a pull arrived (a mask), or `PULLED_ALL`. */
export const PULLED = 2;
/** Two bits per old replica: the version in an answer to a pull that has not arrived; 0: none. */
export const IN_FLIGHT = 3;
export const FIELDS_PER_NODE = 4;
export const PULLED_ALL = 0xff;

/** After the nodes. Per version the epoch under which its write counts answers, and who answered. */
export const UNDER = 0;
export const ACKNOWLEDGED_BY = 3;
/** The read: 0 between reads, 1 asking, 2 writing back. */
export const PHASE = 6;
export const READ_EPOCH = 7;
/** What clients knew when the read began, and the highest version that the read saw. */
export const READ_FROM = 8;
export const READ_SAW = 9;
/** Who answered the read, and who showed (or stored) what it saw. */
export const ANSWERED = 10;
export const HOLDERS = 11;
/** The highest version acknowledged or returned so far. */
export const KNOWN = 12;
export const LAST_DECIDED = 13;
/** One read returned A's record and a later one B's. */
export const SAW_A_THEN_B = 14;
export const SHARED_FIELDS = 15;
export const MASK_FIELDS = [
  ACKNOWLEDGED_BY,
  ACKNOWLEDGED_BY + 1,
  ACKNOWLEDGED_BY + 2,
  ANSWERED,
  HOLDERS,
];
