/* Moves the wall clock of whatever loads this: by so many microseconds as a file says. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>

static volatile long long *step;

__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("CLOCK_STEP"), O_RDONLY);
    void *page = mmap(0, sizeof *step, PROT_READ, MAP_SHARED, file, 0);
    step = page == MAP_FAILED ? 0 : page;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    static int (*real)(struct timeval *, void *);
    if (!real)
        real = (int (*)(struct timeval *, void *))dlsym(RTLD_NEXT, "gettimeofday");
    int result = real(now, zone);
    long long time = now->tv_sec * 1000000LL + now->tv_usec + (step ? *step : 0);
    now->tv_sec = time / 1000000;
    now->tv_usec = time % 1000000;
    return result;
}
