/* Preloaded into a test's child process: remembers what each file held when it was last synced.
 *
 * fsync and fdatasync, once they have succeeded, copy the file to $DURABLE_DIR/<inode>-<birth time in ns>. After the
 * child is killed the test puts every file back to its copy, or to nothing: the worst that a power cut may do.
 * sync_file_range is not a sync: it flushes neither metadata nor the disk's cache.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static void die(const char *what) {
    perror(what);
    _exit(99);
}

static void copy_range(int from, int to, off_t start, off_t end) {
    char buffer[1 << 16];
    while (start < end) {
        size_t want = end - start < (off_t)sizeof buffer ? (size_t)(end - start) : sizeof buffer;
        ssize_t got = pread(from, buffer, want, start);
        if (got < 0) die("shim: read");
        if (got == 0) return;
        if (pwrite(to, buffer, got, start) != got) die("shim: write");
        start += got;
    }
}

static void keep(int fd) {
    const char *dir = getenv("DURABLE_DIR");
    struct statx st;
    if (!dir || statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME | STATX_SIZE | STATX_TYPE, &st)) return;
    if (!S_ISREG(st.stx_mode)) return;
    char self[64], path[4096], tmp[4200];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    unsigned long long birth = st.stx_btime.tv_sec * 1000000000ULL + st.stx_btime.tv_nsec;
    snprintf(path, sizeof path, "%s/%llu-%llu", dir, (unsigned long long)st.stx_ino, birth);
    snprintf(tmp, sizeof tmp, "%s.tmp-%d", path, (int)gettid());
    int from = open(self, O_RDONLY);
    /* Unlinked meanwhile: nobody will ask for it. */
    if (from < 0) return;
    int to = open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (to < 0) die("shim: create");
    off_t size = st.stx_size, start = 0;
    if (ftruncate(to, size)) die("shim: truncate");
    while (start < size && (start = lseek(from, start, SEEK_DATA)) >= 0) {
        off_t end = lseek(from, start, SEEK_HOLE);
        copy_range(from, to, start, end < size ? end : size);
        start = end;
    }
    close(from);
    close(to);
    if (rename(tmp, path)) die("shim: rename");
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fsync");
    int result = real(fd);
    if (result == 0) keep(fd);
    return result;
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
    int result = real(fd);
    if (result == 0) keep(fd);
    return result;
}
