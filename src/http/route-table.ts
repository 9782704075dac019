import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ClientError } from '../errors.ts';
import { pathOf } from './key-path.ts';
import { quoted } from './quoted.ts';

interface Route {
  readonly pattern: RegExp;
  readonly methods: Set<string>;
}

export interface RouteRefusal {
  readonly error: ClientError;
  readonly headers: Readonly<Record<string, string>>;
}

/** Remembers every route, to tell a wrong method from a wrong path. To be made before the routes. */
export class RouteTable {
  readonly #routes = new Map<string, Route>();

  constructor(fastify: FastifyInstance) {
    fastify.addHook('onRoute', ({ url, method }) => {
      const route = this.#routes.get(url) ?? { pattern: patternOf(url), methods: new Set() };
      for (const one of [method].flat()) route.methods.add(one);
      this.#routes.set(url, route);
    });
  }

  /** Why no route took this request. */
  refusal({ raw: { method = '', url = '' } }: FastifyRequest): RouteRefusal {
    const path = pathOf(url);
    const methods = this.#methodsFor(path);
    // A route that takes the method can have found nothing under the path, as that for files does.
    if (methods.length === 0 || methods.includes(method)) {
      const detail = `there is nothing under ${quoted(path)}; /docs describes what there is`;
      return { error: new ClientError('unknown_route', detail), headers: {} };
    }
    const allow = methods.join(', ');
    const detail = `${quoted(path)} takes ${allow} and not ${method}`;
    return { error: new ClientError('method_not_allowed', detail), headers: { allow } };
  }

  #methodsFor(path: string): readonly string[] {
    const methods = new Set<string>();
    for (const route of this.#routes.values()) {
      if (route.pattern.test(path)) for (const method of route.methods) methods.add(method);
    }
    return [...methods].sort();
  }
}

/** Of a route as the router writes it: `:name` is one segment, `*` at the end is anything. */
function patternOf(url: string): RegExp {
  const pattern = url
    .replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll(/:[^/]+/g, '[^/]+')
    .replace(/\*$/, '.*');
  return new RegExp(`^${pattern}$`, 's');
}
