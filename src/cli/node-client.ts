/** Requests to whichever of the listed nodes can take them, one after the other. */
import { CommandError } from './command-error.ts';
import {
  ExchangeError,
  exchange,
  type FailureKind,
  type HttpAnswer,
  type HttpRequest,
  type Patience,
} from './exchange.ts';
import { inDoubtOf, outcomeOf } from './problem.ts';

/** The five nodes of `quorate dev` or compose, any of which may be gone, else a node on its own. */
export const DEFAULT_URLS = [7401, 7402, 7403, 7404, 7405, 7400]
  .map((port) => `http://127.0.0.1:${port}`)
  .join(',');

const CONNECT_MS = 2_000;

export class NodeClient {
  readonly #urls: readonly URL[];
  readonly #patience: Patience;

  /** `totalMs` is how long one node may take to answer. */
  constructor(urls: readonly URL[], totalMs: number) {
    this.#urls = urls;
    this.#patience = { connectMs: Math.min(CONNECT_MS, totalMs), totalMs };
  }

  /**
   * Something that changes nothing: asked of the next node whenever one gives no answer, a 503, or one that
   * says too little. Such an answer is the last one's when no node did better. @throws CommandError
   */
  read(
    request: HttpRequest,
    saysEnough: (answer: HttpAnswer) => boolean = () => true,
  ): Promise<HttpAnswer> {
    return this.#send(request, {
      nextAfterFailure: () => true,
      nextAfterAnswer: (answer) => answer.status === 503 || !saysEnough(answer),
    });
  }

  /** A question about one node: whichever answers first has answered. @throws CommandError */
  askFirst(request: HttpRequest): Promise<HttpAnswer> {
    return this.#send(request, ASK_FIRST);
  }

  /**
   * Something that changes data: sent to another node only when it is certain that nothing was done
   * yet, because there was no connection or the node says so. @throws CommandError
   */
  write(request: HttpRequest): Promise<HttpAnswer> {
    return this.#send(request, WRITE);
  }

  async #send(request: HttpRequest, policy: Policy): Promise<HttpAnswer> {
    const failures: ExchangeError[] = [];
    let refusal: HttpAnswer | undefined;
    for (const url of this.#urls) {
      try {
        const answer = await exchange(url, request, this.#patience);
        if (!policy.nextAfterAnswer(answer)) return answer;
        refusal = answer;
      } catch (error) {
        if (!(error instanceof ExchangeError)) throw error;
        failures.push(error);
        if (policy.nextAfterFailure(error.kind)) continue;
        throw noAnswer(request, failures);
      }
    }
    // What a node refused with says more than that another one is silent.
    if (refusal !== undefined) return refusal;
    throw noAnswer(request, failures);
  }
}

/** After what to go on to the next node. */
interface Policy {
  nextAfterFailure(kind: FailureKind): boolean;
  nextAfterAnswer(answer: HttpAnswer): boolean;
}

const ASK_FIRST: Policy = {
  nextAfterFailure: (kind) => kind === 'unreachable',
  nextAfterAnswer: () => false,
};

// A write in doubt is told as such: sent again, it could overtake what somebody wrote in between.
const WRITE: Policy = {
  nextAfterFailure: (kind) => kind === 'unreachable',
  nextAfterAnswer: (answer) => answer.status === 503 && outcomeOf(answer) === 'not_applied',
};

/** @throws CommandError when one of them is no URL of a node. */
export function parseUrls(text: string): readonly URL[] {
  const urls = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(parseUrl);
  if (urls.length === 0) {
    throw new CommandError('no URL given; write for example --url http://127.0.0.1:7401', {
      exit: 'usage',
    });
  }
  return urls;
}

function parseUrl(text: string): URL {
  const complete = text.includes('://') ? text : `http://${text}`;
  const url = URL.canParse(complete) ? new URL(complete) : undefined;
  if (
    url === undefined ||
    !/^https?:$/.test(url.protocol) ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    throw new CommandError(
      `${JSON.stringify(text)} is not a node's URL; write for example http://127.0.0.1:7401`,
      { exit: 'usage' },
    );
  }
  return url;
}

function noAnswer(request: HttpRequest, failures: readonly ExchangeError[]): CommandError {
  const worst =
    failures.find(({ kind }) => kind === 'timeout') ??
    failures.find(({ kind }) => kind === 'lost') ??
    failures.at(-1);
  const tried = failures.map(({ message }) => message).join('\n  ');
  const inDoubt =
    request.method !== 'GET' && worst?.kind !== 'unreachable'
      ? `\n  outcome: ${inDoubtOf(request.path)}`
      : '';
  switch (worst?.kind) {
    case 'timeout':
      return new CommandError(`no answer in time\n  ${tried}${inDoubt}`, { exit: 'timeout' });
    case 'lost':
      return new CommandError(`the connection was lost\n  ${tried}${inDoubt}`);
    default:
      return new CommandError(
        'cannot connect to any node; is one running? start a cluster with `quorate dev`,' +
          ` or name your nodes with --url or QUORATE_URL\n  ${tried}`,
        { exit: 'cannotConnect' },
      );
  }
}
