import { createHistogram, performance } from 'node:perf_hooks';
import { Client, type Dispatcher } from 'undici';

export interface LoadOptions {
  /** Requests go to these in turn, each over connections of its own. */
  readonly origins: readonly string[];
  readonly inFlight: number;
  /** Ends after this time, or this many requests. */
  readonly end: { readonly afterMs: number } | { readonly afterRequests: number };
  readonly request: (count: number) => Omit<Dispatcher.DispatchOptions, 'origin'>;
}

export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers other than 2xx, and connections that broke. */
  readonly failed: number;
}

/**
 * A closed loop: so many requests in flight, the next one sent when one is answered. Good for what a
 * server can do, not for the latency that independent clients see (a slow answer delays the next
 * request; "coordinated omission").
 */
export async function closedLoop(options: LoadOptions): Promise<LoadResult> {
  const { origins, inFlight, end, request } = options;
  const latency = createHistogram();
  const clients = Array.from(
    { length: inFlight },
    (_, index) => new Client(origins[index % origins.length] ?? '', { pipelining: 1 }),
  );
  let count = 0;
  let failed = 0;
  const started = performance.now();
  const goesOn = (): boolean =>
    'afterMs' in end ? performance.now() - started < end.afterMs : count < end.afterRequests;
  await Promise.all(
    clients.map(async (client) => {
      while (goesOn()) {
        const sent = performance.now();
        const ok = await once(client, request(count++));
        if (ok) latency.record(Math.max(1, Math.round((performance.now() - sent) * 1_000)));
        else failed += 1;
      }
    }),
  );
  const seconds = (performance.now() - started) / 1_000;
  await Promise.all(clients.map((client) => client.close()));
  return {
    perSecond: latency.count / seconds,
    p50Ms: latency.percentile(50) / 1_000,
    p99Ms: latency.percentile(99) / 1_000,
    failed,
  };
}

function once(client: Client, request: Dispatcher.DispatchOptions): Promise<boolean> {
  return new Promise((resolve) => {
    let ok = false;
    client.dispatch(request, {
      onRequestStart: () => undefined,
      onResponseStart: (_, status) => {
        ok = status >= 200 && status < 300;
      },
      onResponseData: () => undefined,
      onResponseEnd: () => resolve(ok),
      onResponseError: () => resolve(false),
    });
  });
}
