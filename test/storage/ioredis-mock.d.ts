/** The mock comes without types; it is used where a `Redis` is wanted. */
declare module 'ioredis-mock' {
  import type { Redis, RedisOptions } from 'ioredis';

  const RedisMock: new (options: RedisOptions) => Redis;
  // biome-ignore lint/style/noDefaultExport: it is theirs.
  export default RedisMock;
}
