/*
 * Preloaded into a node: makes one sync of the store fail with EIO, as a disk does that is about to die.
 * Counted are fdatasync, fsync and msync, and writes to a file opened with O_DSYNC (the page of LMDB that
 * refers to all others). FAULT_SYNC=n fails the n-th; the calls after it succeed again, as those of Linux
 * do, so that whoever tries once more is told that all is well.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;

static int fails(void) {
  const char *chosen = getenv("FAULT_SYNC");
  if (chosen == NULL || atomic_fetch_add(&calls, 1) + 1 != atol(chosen)) return 0;
  errno = EIO;
  return 1;
}

static int is_synced(int file) {
  int flags = fcntl(file, F_GETFL);
  return flags != -1 && (flags & O_DSYNC) != 0;
}

int fdatasync(int file) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  return fails() ? -1 : real(file);
}

int fsync(int file) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  return fails() ? -1 : real(file);
}

int msync(void *start, size_t length, int flags) {
  int (*real)(void *, size_t, int) = (int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "msync");
  return fails() ? -1 : real(start, length, flags);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
  ssize_t (*real)(int, const void *, size_t, off64_t) =
      (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
  return is_synced(file) && fails() ? -1 : real(file, bytes, count, at);
}
