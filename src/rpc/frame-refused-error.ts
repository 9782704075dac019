/**
 * What a peer sent cannot be accepted. Whatever came with it is not applied either, and the
 * connection that it came over ends: after one wrong byte nothing that follows can be trusted.
 * The text is for the log.
 */
export class FrameRefusedError extends Error {
  override readonly name = 'FrameRefusedError';
}
